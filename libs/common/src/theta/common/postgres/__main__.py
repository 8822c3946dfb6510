"""`python -m theta.common.postgres migrate --url URL`: run by whoever owns the database.

Role passwords come from `--passwords-file`, a JSON object of role name to password; without it the
roles keep the passwords that they have.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from theta.common.errors import ConfigError, ThetaError
from theta.common.postgres.migrate import migrate
from theta.common.postgres.roles import SERVICE_ROLES


def main(arguments: list[str] | None = None) -> int:
    """Return the exit code; print one JSON line on success, one sentence on failure."""
    parser = argparse.ArgumentParser(prog="python -m theta.common.postgres")
    commands = parser.add_subparsers(dest="command", required=True)
    migrate_parser = commands.add_parser("migrate", help="create or upgrade the schema and roles")
    migrate_parser.add_argument("--url", help="URL of the owner's role")
    migrate_parser.add_argument("--url-file", type=Path, help="a file that holds that URL")
    migrate_parser.add_argument("--passwords-file", type=Path)
    options = parser.parse_args(arguments)
    try:
        url = options.url or _read(options.url_file)
        before, after = migrate(url, _passwords(options.passwords_file))
    except ThetaError as error:
        print(error, file=sys.stderr)  # noqa: T201  # a command's answer to its user
        return error.exit_code
    print(json.dumps({"before": before, "after": after}))  # noqa: T201  # a command's answer
    return 0


def _read(path: Path | None) -> str:
    if path is None:
        raise ConfigError("name the database with --url or --url-file")
    try:
        return path.read_text().strip()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error


def _passwords(path: Path | None) -> dict[str, str]:
    if path is None:
        return {}
    try:
        found = json.loads(_read(path))
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path} is not JSON: {error}") from error
    unknown = set(found) - set(SERVICE_ROLES)
    if unknown:
        raise ConfigError(f"{path} names unknown roles: {', '.join(sorted(unknown))}")
    return {str(role): str(password) for role, password in found.items()}


if __name__ == "__main__":
    raise SystemExit(main())
