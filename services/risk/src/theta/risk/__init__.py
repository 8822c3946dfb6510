"""Reviews every order intent."""
