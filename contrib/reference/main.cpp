// SPDX-License-Identifier: Apache-2.0
// Writes the tables of keys into the documents that have them: the build target `reference`.
#include <cstdio>
#include <fstream>
#include <sstream>

#include "config/reference.hpp"

int main(int count, char** files) {
  for (int i = 1; i < count; ++i) {
    std::ostringstream text;
    text << std::ifstream(files[i]).rdbuf();
    const auto made = lsmtpd::config::with_key_tables(text.str());
    if (!made) {
      std::fprintf(stderr, "%s: %s\n", files[i], made.error().message.c_str());
      return 1;
    }
    if (*made == text.str()) continue;
    std::ofstream out(files[i]);
    out << *made;
    if (!out.flush()) {
      std::fprintf(stderr, "%s: cannot be written\n", files[i]);
      return 1;
    }
  }
  return 0;
}
