#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# package_test.sh BUILD SOURCE: installs a build into an empty place, builds the example against it by find_package and
# by pkg-config and runs it; then makes the .deb, unpacks it into an empty root and runs the program there.
set -euo pipefail
build=$1 source=$2
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
example=$source/examples/own_network

cmake --install "$build" --prefix "$place/installed" >/dev/null
cmake -S "$example" -B "$place/example" -DCMAKE_PREFIX_PATH="$place/installed" >/dev/null
cmake --build "$place/example" >/dev/null
cd "$place"
"$place/example/own_network"
"$place/installed/bin/coppice" train --model own_network.json --train-samples 200 --test-samples 50 --epochs 1 --out run

# A packed network says the same from C and from C++.
"$place/installed/bin/coppice" pack run -o net.cpk --arithmetic int8
cmake -S "$source/examples/run_packed" -B "$place/packed" -DCMAKE_PREFIX_PATH="$place/installed" >/dev/null
cmake --build "$place/packed" >/dev/null
truncate -s $((28 * 28 * 4)) zeros.f32
"$place/packed/run_packed_c" net.cpk zeros.f32 >from_c
"$place/packed/run_packed_cpp" net.cpk >from_cpp
cat from_c
cmp from_c from_cpp

export PKG_CONFIG_PATH=$place/installed/lib/pkgconfig:$(echo "$place"/installed/lib/*/pkgconfig)
read -ra flags <<<"$(pkg-config --cflags --libs coppice)"
c++ -std=c++20 "$example/main.cpp" "${flags[@]}" -o by_pkg_config
./by_pkg_config

(cd "$place" && cpack --config "$build/CPackConfig.cmake" -B "$place/deb" >/dev/null)
deb=$(echo "$place"/deb/*.deb)
dpkg-deb --extract "$deb" root
dpkg-deb --field "$deb" Package Version Depends
root/usr/bin/coppice --version
if [[ -e root/usr/include/coppice/train.h && -e root/usr/share/doc/coppice/LICENSE ]]; then exit 0; fi
echo "package_test: the package lacks headers or licence" >&2
exit 1
