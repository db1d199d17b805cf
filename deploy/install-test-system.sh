#!/usr/bin/env bash
# Installs what only the full test run needs: a SIP switch, a SIP telephone and a browser. Does nothing where all is there.
# Installs as root on Debian or Ubuntu; elsewhere says which tests are left out. With CI=true anything missing is a failure.
set -euo pipefail

# command, packages that bring it, tests that need it
parts=(
  "kamailio|kamailio kamailio-sqlite-modules kamailio-postgres-modules|telephones that register and call"
  "sipp|sip-tester|telephones that register and call"
  "chromium|chromium|the pages in a browser"
)
# Debian keeps servers where an ordinary user's PATH does not look.
PATH=$PATH:/usr/sbin

have() {
  case $1 in
    chromium) command -v chromium || command -v chromium-browser ;;
    # A switch that cannot read both databases is not the one that the tests need.
    kamailio) command -v kamailio && compgen -G '/usr/lib/*/kamailio/modules/db_sqlite.so' \
                && compgen -G '/usr/lib/*/kamailio/modules/db_postgres.so' ;;
    *) command -v "$1" ;;
  esac >/dev/null
}

missing_packages() {
  for part in "${parts[@]}"; do
    IFS='|' read -r command packages _ <<<"$part"
    have "$command" || printf '%s ' "$packages"
  done
  # Debian's python3 comes without what makes a virtual environment.
  "${PYTHON:-python3}" -c 'import ensurepip' 2>/dev/null || printf 'python3-venv '
}

packages=$(missing_packages)
if [[ -n $packages && $EUID -eq 0 ]] && command -v apt-get >/dev/null; then
  echo "Installing ${packages% } ..." >&2
  export DEBIAN_FRONTEND=noninteractive
  apt-get update --quiet --quiet || echo "The package lists could not be renewed; trying with those that are there." >&2
  # One by one: Ubuntu has no chromium package to speak of, and that must not keep the others away.
  for package in $packages; do
    apt-get install --quiet --quiet --yes --no-install-recommends "$package" >/dev/null || true
  done
  # The tests start switches of their own; the packaged service would only hold port 5060.
  if [[ -d /run/systemd/system && $packages == *kamailio* ]]; then
    systemctl disable --quiet --now kamailio.service || true
  fi
  packages=$(missing_packages)
fi
[[ -z $packages ]] && exit 0

for part in "${parts[@]}"; do
  IFS='|' read -r command _ tests <<<"$part"
  have "$command" || echo "Left out, because $command is missing: the tests of $tests." >&2
done
echo "To bring them in, on Debian or Ubuntu: sudo apt-get install --no-install-recommends ${packages% }" >&2
if [[ ${CI:-} == true ]]; then
  echo "With CI=true nothing may be left out." >&2
  exit 1
fi
