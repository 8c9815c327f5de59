// SPDX-License-Identifier: Apache-2.0
// Answers of filter_http's application: no octets break the reader, and nothing that it accepts can
// begin a header field of its own.
#include <lsmtpd/lsmtpd.h>

#include <algorithm>

#include "answer.hpp"
#include "fuzz_input.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace filter_http;
  using lsmtpd::fuzz::require;
  Answer answer;
  const std::string_view json(reinterpret_cast<const char*>(data), size);
  if (!parse_answer(json, answer).empty()) {
    require(answer.kind == 0 && !answer.edits_header());
    return 0;
  }
  require(answer.kind == LSMTPD_CONTINUE || answer.kind >= LSMTPD_REJECT);
  require(answer.code == 0 || (answer.code >= 400 && answer.code < 600));
  require(answer.text.size() <= 1024 && answer.add.size() <= 100 && answer.remove.size() <= 100);
  for (const auto* pairs : {&answer.add, &answer.change}) {
    for (const Pair& pair : *pairs) {
      const std::string line = field(pair);
      require(line.size() <= 1000 &&
              line.find_first_of(std::string_view("\r\n\0", 3)) == line.size() - 2);
      require(line.find(':') == pair.first.size() && !pair.first.empty());
    }
  }
  return 0;
}
