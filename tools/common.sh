# What quickstart, test and fetch_model share; sourced, not run. Needs bash; sets $top and goes there.
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$top"

say() { printf '== %s\n' "$*"; }
die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# The last line of a log that looks like the cause.
cause() { { grep -Ei '(^|[^a-z])(error|fatal|failed|cannot|unable|E:)' "$1" || cat "$1"; } | tail -1; }

# run_logged LOG WHAT COMMAND…: one line instead of a page when it fails.
run_logged() {
  local log=$1 what=$2
  shift 2
  mkdir -p "$(dirname "$log")"
  "$@" >"$log" 2>&1 || die "$what failed: $(cause "$log") (all of it: $log)"
}

# Installs the Debian packages that are missing; without any, apt is not touched.
install_packages() {
  local p missing=() sudo=()
  command -v dpkg-query >/dev/null && command -v apt-get >/dev/null ||
    die "this is no Debian (no apt-get): install the like of these yourself, then set BERTCL_NO_APT=1: $*"
  for p in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || missing+=("$p")
  done
  if [ ${#missing[@]} = 0 ]; then
    say "packages: all installed"
    return
  fi
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || die "needs root or sudo to install: ${missing[*]}"
    sudo=(sudo)
    sudo -v || die "sudo gave no rights to install: ${missing[*]}"
  fi
  say "packages: installing ${missing[*]}"
  run_logged build/apt-update.log "apt-get update" "${sudo[@]}" apt-get update
  run_logged build/apt-install.log "apt-get install" "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y --no-install-recommends "${missing[@]}"
}

# What building and running needs; tests come on top.
BUILD_PACKAGES="gcc libc6-dev cmake ninja-build pkg-config ocl-icd-opencl-dev libclblast-dev libcjson-dev libutf8proc-dev libcurl4-openssl-dev libsqlite3-dev
  nettle-dev pocl-opencl-icd python3-pip"
install_build_packages() {
  [ -n "${BERTCL_NO_APT:-}" ] || install_packages $BUILD_PACKAGES "$@"
}

# build FOLDER CMAKE-OPTION…
build() {
  local folder=$1
  shift
  say "building in $folder/"
  run_logged "$folder/configure.log" "cmake" cmake -S . -B "$folder" -G Ninja "$@"
  run_logged "$folder/build.log" "the build" ninja -C "$folder"
}

# find_corpus: sets $corpus to the UN corpus' folder, or to nothing.
is_corpus() { [ -d "$1/tagged-training" ] && [ -d "$1/tagged-test" ]; }
find_corpus() {
  corpus=
  if [ -n "${BERTCL_UN_NER:-}" ]; then
    is_corpus "$BERTCL_UN_NER" ||
      die "BERTCL_UN_NER=$BERTCL_UN_NER: expected a folder with tagged-training and tagged-test in it"
    corpus=$BERTCL_UN_NER
  elif is_corpus ../shared/un-ner; then
    corpus=$(cd .. && pwd)/shared/un-ner
  elif is_corpus corpus/un-ner; then
    corpus=corpus/un-ner
  fi
}
