"""The database: our own records, numbers and ledger, behind the ports of the domain."""

from sqlalchemy import text

from adapters.database.account_plans import PlanRecords
from adapters.database.admin import Admin
from adapters.database.alerts import Alerts
from adapters.database.baskets import BasketStore
from adapters.database.books import OurBooks
from adapters.database.bulk import BulkRecords
from adapters.database.calling import AccountCalling
from adapters.database.catalogue import TenantCatalogue
from adapters.database.credits import AccountCredits
from adapters.database.customers import CustomerStore
from adapters.database.drafts import DraftStore
from adapters.database.existing import ExistingAccounts
from adapters.database.identities import ApiKeys
from adapters.database.ledger import AccountLedger
from adapters.database.letters import LetterStore
from adapters.database.mail_desk import Desk
from adapters.database.migrate import migrate
from adapters.database.numbers import Inventory
from adapters.database.onboardings import Records
from adapters.database.pins import AccountPins
from adapters.database.price_lists import PriceBook
from adapters.database.reader import Reader
from adapters.database.services import ServiceStore
from adapters.database.sessions import SessionRecords
from adapters.database.step_keys import StepFence
from adapters.database.stock import Stock
from adapters.database.transfers import TransferStore
from adapters.database.tree import Tree
from adapters.database.users import UserRecords
from adapters.transactions import connect
from domain.access import Identities
from domain.account_plans import AccountPlans
from domain.accounts import Accounts
from domain.alerts import BalanceAlerts
from domain.credits import Credits
from domain.customers import CustomerRecords
from domain.existing import AccountBook
from domain.letters import LetterRecords
from domain.pins import Pins
from domain.ports import Baskets, CallingRecords, Catalogue, Fence, Ledger, MailDesk, NumberInventory, OnboardingRecords
from domain.price_lists import Prices
from domain.services import ServiceRecords
from domain.transfers import TransferRecords
from domain.users import Sessions, Users
from domain.views import OnboardingReader

__all__ = ["Database", "migrate"]


class Database:
    """One connection pool and every port that it serves. Bring the schema up to date with ``migrate`` first."""

    def __init__(self, url: str) -> None:
        self._transactions = connect(url)
        self.records: OnboardingRecords = Records(self._transactions)
        self.numbers: NumberInventory = Inventory(self._transactions)
        self.ledger: Ledger = AccountLedger(self._transactions)
        self.fence: Fence = StepFence(self._transactions)
        self.mail_desk: MailDesk = Desk(self._transactions)
        self.catalogue: Catalogue = TenantCatalogue(self._transactions)
        self.reader: OnboardingReader = Reader(self._transactions)
        self.stock = Stock(self._transactions)
        self.baskets: Baskets = BasketStore(self._transactions)
        self.drafts = DraftStore(self._transactions)
        self.identities: Identities = ApiKeys(self._transactions)
        self.calling: CallingRecords = AccountCalling(self._transactions)
        self.accounts: Accounts = Tree(self._transactions)
        self.users: Users = UserRecords(self._transactions)
        self.sessions: Sessions = SessionRecords(self._transactions)
        self.prices: Prices = PriceBook(self._transactions)
        self.plans: AccountPlans = PlanRecords(self._transactions)
        self.pins: Pins = AccountPins(self._transactions)
        self.letters: LetterRecords = LetterStore(self._transactions)
        self.alerts: BalanceAlerts = Alerts(self._transactions)
        self.credits: Credits = AccountCredits(self._transactions)
        self.existing: AccountBook = ExistingAccounts(self._transactions)
        self.customers: CustomerRecords = CustomerStore(self._transactions)
        self.services: ServiceRecords = ServiceStore(self._transactions)
        self.transfers: TransferRecords = TransferStore(self._transactions)
        self.admin = Admin(self._transactions)
        self.bulk = BulkRecords(self._transactions)
        self.books = OurBooks(self._transactions)

    async def ping(self) -> None:
        """Ask the database anything. Raises ``Unavailable`` if it does not answer."""
        await self._transactions.read(lambda connection: connection.execute(text("SELECT 1")).scalar_one())

    async def close(self) -> None:
        """Let go of all connections."""
        await self._transactions.close()

    # The name that contextlib.aclosing and exit stacks look for.
