// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <mail_json/base64.hpp>
#include <random>
#include <string>

namespace lsmtpd::mail_json {
namespace {

std::string encode_in(std::string_view text, std::size_t piece, std::size_t room) {
  Base64Encoder encoder;
  std::string out;
  std::string buffer(room, '#');
  while (!text.empty()) {
    const auto step = encoder.encode(text.substr(0, piece), buffer.data(), room);
    out.append(buffer, 0, step.written);
    text.remove_prefix(step.read);
  }
  out.append(buffer, 0, encoder.finish(buffer.data()));
  return out;
}

std::string decode_in(std::string_view text, std::size_t piece) {
  Base64Decoder decoder;
  std::string out;
  while (!text.empty()) {
    const std::string_view part = text.substr(0, piece);
    std::string buffer(part.size() + 3, '#');
    const std::int64_t made = decoder.decode(part, buffer.data());
    if (made < 0) return "bad";
    out.append(buffer, 0, static_cast<std::size_t>(made));
    text.remove_prefix(part.size());
  }
  return decoder.finish() ? out : "unfinished";
}

TEST(Base64, EncodesTheExamplesOfRfc4648) {
  const char* kPairs[][2] = {{"", ""},
                             {"f", "Zg=="},
                             {"fo", "Zm8="},
                             {"foo", "Zm9v"},
                             {"foob", "Zm9vYg=="},
                             {"fooba", "Zm9vYmE="},
                             {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, encoded] : kPairs) {
    for (std::size_t piece = 1; piece < 8; ++piece) {
      EXPECT_EQ(encode_in(plain, piece, 4), encoded);
      EXPECT_EQ(decode_in(encoded, piece), plain);
    }
  }
}

TEST(Base64, RandomBytesComeBackWhateverThePieces) {
  std::mt19937 random(3);
  for (int round = 0; round < 500; ++round) {
    std::string text(random() % 300, '\0');
    for (char& c : text) c = static_cast<char>(random());
    const std::string encoded = encode_in(text, 1 + random() % 50, 4 + random() % 50);
    ASSERT_EQ(encoded.size(), base64_size(text.size()));
    ASSERT_EQ(decode_in(encoded, 1 + random() % 50), text);
  }
}

TEST(Base64, RefusesWhatIsNotBase64) {
  for (const char* text :
       {"Zg=", "Z===", "====", "Zg==Zg==", "Zg=a", "Z", "Zm9v\n", "Zm 9", "Zm-_"}) {
    const std::string got = decode_in(text, 3);
    EXPECT_TRUE(got == "bad" || got == "unfinished") << text << " gave " << got;
  }
}

}  // namespace
}  // namespace lsmtpd::mail_json
