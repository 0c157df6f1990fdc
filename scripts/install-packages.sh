#!/bin/sh
# Installs what building, testing and trying Troupe needs, from Debian 12 alone. Does nothing when all is there.
#   scripts/install-packages.sh            asks no questions; uses sudo where it is not run by root
#   scripts/install-packages.sh --tests    also what tests start real jobs with: PyTorch, Open MPI, MPICH
#   scripts/install-packages.sh --peers    and what the benches measure Troupe against; their services do not start
# docs/dependencies.md says what each package is for.
set -eu

packages="
build-essential ca-certificates cmake ninja-build pkg-config ccache git clang-format python3
libcaf-dev capnproto libcapnp-dev liblmdb-dev libarchive-dev libcurl4-openssl-dev libfmt-dev libyaml-cpp-dev nlohmann-json3-dev
libeigen3-dev libboost-random-dev libhwloc-dev libpmix-dev libssl-dev libgtest-dev libgmock-dev
curl jq procps elfutils iproute2 nftables
python3-numpy python3-sklearn
"

tests="libopenmpi-dev openmpi-bin libmpich-dev mpich python3-torch"
peers="slurmctld slurmd slurm-client slurm-wlm-basic-plugins munge python3-optuna"
case "${1:-}" in
  "") ;;
  --tests) packages="$packages $tests" ;;
  --peers) packages="$packages $tests $peers" ;;
  *)
    echo "error: unknown option $1" >&2
    echo "hint: scripts/install-packages.sh [--tests|--peers]" >&2
    exit 2
    ;;
esac

is_installed() {
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null || true)" = installed ]
}

missing=""
for package in $packages; do
  is_installed "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
  echo "error: packages are missing and there is no apt-get here:$missing" >&2
  echo "hint: Troupe is built on Debian 12; elsewhere install the same libraries by hand (docs/dependencies.md)" >&2
  exit 1
fi
as_root=""
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null 2>&1; then
    echo "error: packages are missing, and neither root nor sudo is at hand:$missing" >&2
    echo "hint: let an administrator run: apt-get install --no-install-recommends$missing" >&2
    exit 1
  fi
  as_root="sudo"
fi

# `env` because sudo drops variables; the lock is waited for, as unattended upgrades may hold it.
apt() {
  $as_root env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 \
    apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@"
}
echo "installing:$missing" >&2
policy=/usr/sbin/policy-rc.d
if [ "${1:-}" = --peers ] && [ ! -e "$policy" ]; then
  trap '$as_root rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
  $as_root chmod 755 "$policy"
fi
# Lists may be absent (fresh machine) or stale: one refresh where the first try fails.
# shellcheck disable=SC2086
if ! apt install --no-install-recommends $missing >/dev/null 2>&1; then
  apt update >&2
  # shellcheck disable=SC2086
  apt install --no-install-recommends $missing >&2
fi
for package in $missing; do
  is_installed "$package" || { echo "error: $package is still not installed" >&2; exit 1; }
done
