"""What a person types into a telephone. Derived when asked for, stored nowhere."""

from domain import keys
from domain.errors import Refused
from domain.onboarding import State
from domain.views import OnboardingView
from domain.voice import Credentials
from starter.services import Services


async def credentials(services: Services, view: OnboardingView) -> list[Credentials]:
    """The SIP credentials of every line. Raises ``Refused`` (``not_active``) before the service is up."""
    if view.state is not State.ACTIVE:
        raise Refused("There are no telephone passwords until the service is active.", code="not_active")
    domain = view.sip_domain or (await services.catalogue.tenant(view.tenant_id)).sip_domain
    found = []
    for position, numbers in enumerate(view.service_numbers):
        username = keys.line_name(view.id, position)
        password = services.secrets.device_password(username, domain)
        found.append(Credentials(username=username, domain=domain, password=password, numbers=numbers))
    return found
