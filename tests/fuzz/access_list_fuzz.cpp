// SPDX-License-Identifier: Apache-2.0
// A list of any text, and a mapped list of any bytes: no look-up leaves the image, and each entry
// of a text that was taken is found in the image that was made of it.
#include <mail_names/mail_names.hpp>

#include <cstring>
#include <string>

#include "fuzz_input.hpp"
#include "image_builder.hpp"
#include "list_text.hpp"
#include "pattern.hpp"

namespace {

using namespace lsmtpd::access;
namespace names = lsmtpd::mail_names;

void look_up(const Image& image, std::string_view word) {
  if (const auto ip = names::parse_ip(word)) image.find(*ip);
  const names::Address address = names::normal_address(word);
  if (const auto found = find_address(image, address.local, address.domain, address.null))
    image.value(*found);
  if (const auto found = find_name(image, names::normal_domain(word))) image.value(*found);
}

// Bytes of the input over a header that is right enough to be looked into.
void read_image(std::string_view text) {
  Image image;
  std::string bytes(text);
  if (bytes.size() >= sizeof(ImageHeader)) {
    ImageHeader header{};
    std::memcpy(&header, bytes.data(), sizeof header);
    std::memcpy(header.magic, kImageMagic.data(), sizeof header.magic);
    header.version = kImageVersion;
    header.order = kImageOrder;
    header.size = bytes.size();
    std::memcpy(bytes.data(), &header, sizeof header);
  }
  if (!image.open(bytes).empty()) return;
  for (const char* word :
       {"192.0.2.1", "2001:db8::1", "", "joe@example.org", "a.b.example.org", "*"})
    look_up(image, word);
  for (unsigned i = 0; i < UINT16_MAX; i += 997) image.value(static_cast<uint16_t>(i));
}

void read_text(std::string_view text) {
  ImageBuilder builder;
  if (!read_list(text, builder).empty()) return;
  std::string error;
  const std::string bytes = builder.finish(error);
  lsmtpd::fuzz::require(error.empty());
  Image image;
  lsmtpd::fuzz::require(image.open(bytes).empty());
  ImageChecksum checksum(image.header());
  checksum.add(std::string_view(bytes).substr(sizeof(ImageHeader)));
  lsmtpd::fuzz::require(checksum.result() == image.header().checksum);
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const std::string_view word = line.substr(0, line.find_first_of(" \t\r"));
    std::string problem;
    const auto pattern = parse_pattern(word, problem);
    if (line.empty() || line[0] == '#' || !pattern ||
        line.find('"') != std::string_view::npos)  // an entry in quotes may have blanks
      continue;
    lsmtpd::fuzz::require(pattern->kind == Pattern::Kind::network
                              ? image.find(pattern->network.address).has_value()
                              : image.find(pattern->key).has_value());
    look_up(image, word);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const lsmtpd::fuzz::Input input(data, size);
  if (input.flag(0))
    read_image(input.text);
  else
    read_text(input.text);
  return 0;
}
