#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# clean_root_test.sh SOURCE: on a Debian 12 with nothing on it (debootstrap, as root, in a chroot), the README's first
# steps: scripts/setup and the build of the program from a clone of SOURCE, with the seconds that they take; then the
# .deb in a second such root, where it installs, trains, and leaves nothing when it is removed. About ten minutes.
set -euo pipefail
source=$(cd "$1" && pwd)
place=$(mktemp -d)

leave() {
  for root in "$place"/*/; do
    if mountpoint -q "$root/proc"; then umount "$root/proc"; fi
  done
  rm -rf --one-file-system "$place"
}
trap leave EXIT

if [[ $(id -u) != 0 ]]; then
  echo "clean_root_test: needs root, for chroot" >&2
  exit 1
fi
if ! command -v debootstrap >/dev/null; then
  echo "clean_root_test: needs debootstrap; apt-get install debootstrap" >&2
  exit 1
fi

debootstrap --variant=minbase bookworm "$place/build" >"$place/debootstrap.log" || {
  tail -5 "$place/debootstrap.log" >&2
  exit 1
}
cp /etc/resolv.conf "$place/build/etc/"
cp -a "$place/build" "$place/install"
for root in build install; do mount -t proc proc "$place/$root/proc"; done

in_root() { chroot "$place/$1" env -i HOME=/srv PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive bash -euc "$2"; }

git clone -q "$source" "$place/build/coppice"
seconds() { date +%s.%N; }
start=$(seconds)
in_root build 'cd /coppice && scripts/setup >setup.log 2>&1 || { tail -20 setup.log >&2; exit 1; }'
installed=$(seconds)
in_root build 'cd /coppice && cmake --preset release -DCOPPICE_TESTS=OFF >build.log && cmake --build --preset release >>build.log || { tail -40 build.log >&2; exit 1; }'
built=$(seconds)
in_root build 'cd /coppice/build/release && cpack >pack.log || { cat pack.log >&2; exit 1; }
  cp coppice coppice.stripped && strip coppice.stripped'

cp "$place"/build/coppice/build/release/coppice_*.deb "$place/install/coppice.deb"
in_root install 'apt-get update -q >/dev/null && apt-get install -y -q /coppice.deb >install.log 2>&1 || { tail install.log >&2; exit 1; }
  cd /srv && coppice --version && coppice train --data glyphs --density 0.1 --epochs 2 --json >account.json
  coppice compare runs/* && apt-get purge -y -q coppice >/dev/null 2>&1
  left=$(find / -xdev \( -name "*coppice*" -o -path "*/coppice/*" \) -not -path "/srv/*" -not -path "/proc/*" -not -path "/coppice.deb" -not -path "/var/*" -not -path "/tmp/*")
  if [[ $left ]]; then echo "clean_root_test: the package leaves behind: $left" >&2; exit 1; fi'

awk -v start="$start" -v installed="$installed" -v built="$built" -v cores="$(nproc)" \
  -v program="$(stat -c %s "$place/build/coppice/build/release/coppice")" \
  -v stripped="$(stat -c %s "$place/build/coppice/build/release/coppice.stripped")" \
  -v deb="$(stat -c %s "$place/install/coppice.deb")" 'BEGIN {
    printf "packages %.0f s, build %.0f s on %d cores; program %.1f MB, stripped %.1f MB; .deb %.1f MB\n",
      installed - start, built - installed, cores, program / 1e6, stripped / 1e6, deb / 1e6 }'
