// SPDX-License-Identifier: Apache-2.0
#include "target_path.hpp"

#include <cctype>
#include <charconv>
#include <string>

namespace lsmtpd::output_http {

namespace {

std::string decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    const bool digits = text[i] == '%' && i + 2 < text.size() &&
                        std::isxdigit(static_cast<unsigned char>(text[i + 1])) != 0 &&
                        std::isxdigit(static_cast<unsigned char>(text[i + 2])) != 0;
    if (digits) {
      std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16);
      i += 2;
    } else {
      value = static_cast<unsigned char>(text[i]);
    }
    out += value == '\\' ? '/' : static_cast<char>(value);
  }
  return out;
}

}  // namespace

bool leaves_its_place(std::string_view path_and_query) {
  std::string path = decoded(path_and_query.substr(0, path_and_query.find('?')));
  path += '/';
  for (std::size_t begin = 0; begin < path.size();) {
    const std::size_t end = path.find('/', begin);
    const std::string_view segment = std::string_view(path).substr(begin, end - begin);
    // Some servers take parameters of a segment off first: "..;x".
    const std::string_view name = segment.substr(0, segment.find(';'));
    if (name == "." || name == "..") return true;
    begin = end + 1;
  }
  return false;
}

}  // namespace lsmtpd::output_http
