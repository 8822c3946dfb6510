"""Settings of broker-gateway."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from theta.common.config.environment import ServiceSettings


class Settings(ServiceSettings):
    """See docs/architecture.md, Environment."""

    tws_host: str = "127.0.0.1"
    tws_port: int = Field(default=4002, ge=1, le=65535)
    tws_client_id: int = Field(default=17, ge=1, le=999_999)
    """Never 0: that one binds orders made by hand."""
    tws_client: Literal["ib_insync", "ib_async"] = "ib_insync"
    """The client library; the process has it from its start to its end."""
    http_host: str = "127.0.0.1"
    http_port: int = Field(default=8080, ge=0, le=65535)
    spool_dir: Path = Path("var/spool")
    halt_flag_file: Path = Path("var/HALT")
    resolve_interval_seconds: float = Field(default=10, ge=0.5, le=600)
    acknowledge_within_seconds: float = Field(default=10, ge=0.5, le=600)
