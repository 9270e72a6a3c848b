// SPDX-License-Identifier: Apache-2.0
// The same from C++: main FILE.cpk says what the network says of a sample of zeros.
#include <coppice/packed.h>

#include <cstdio>
#include <vector>

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: %s FILE.cpk\n", argv[0]), 2;
  const auto image = coppice::PackedImage::read(coppice::Env::system(), argv[1]);
  if (!image.ok()) return std::fprintf(stderr, "%s\n", image.status().message().c_str()), 1;
  const auto session = coppice::PackedSession::create(*image);
  if (!session.ok()) return std::fprintf(stderr, "%s\n", session.status().message().c_str()), 1;

  const std::vector<float> input(coppice::elements_of(image->input()));
  std::vector<float> output(coppice::elements_of(image->output()));
  session->run(input.data(), output.data());
  for (const float number : output) std::printf("%.6g\n", number);
  return 0;
}
