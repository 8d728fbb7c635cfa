"""What a process is told: config/*.yaml, the environment, and what both may say."""

from fillstream.libs.common.process.settings.load import DEFAULT_PATH, companions, default_path, load_settings
from fillstream.libs.common.process.settings.model import (
    A_REDIS_URL,
    Messaging,
    Settings,
    SettingsError,
    is_redis_url,
)

__all__ = [
    "A_REDIS_URL",
    "DEFAULT_PATH",
    "Messaging",
    "Settings",
    "SettingsError",
    "companions",
    "default_path",
    "is_redis_url",
    "load_settings",
]
