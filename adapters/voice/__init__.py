"""The voice service: lines on a Kamailio switch."""

from adapters.crypto import Secrets
from adapters.settings import Settings
from adapters.voice.kamailio import KamailioSwitch
from adapters.voice.simulated import FaultySwitch


def voice_switch(settings: Settings, secrets: Secrets) -> KamailioSwitch | FaultySwitch:
    """The switch of this installation (a ``domain.ports.VoiceSwitch``); in development with simulated faults in front.

    Whoever asks for it closes it with ``close``.
    """
    rpc_url = str(settings.voice_rpc_url) if settings.voice_rpc_url else None
    switch = KamailioSwitch(settings.voice_database, secrets, rpc_url)
    return switch if settings.environment == "production" else FaultySwitch(switch, settings.environment)
