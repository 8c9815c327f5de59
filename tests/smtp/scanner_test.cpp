// SPDX-License-Identifier: Apache-2.0
// The data scanner: against the slow reference on random input, and its fast search against the
// plain one.
#include "smtp/scanner.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "smtp/octets.hpp"
#include "smtp_reference.hpp"

namespace lsmtpd::test {
namespace {

using smtp::LineContext;
using smtp::Scanner;
using smtp::Want;
using Found = Scanner::Found;

// Mostly what matters, so that every combination comes up.
std::string random_octets(std::mt19937& random, size_t size, bool dense) {
  static constexpr char special[] = {'\r', '\n', '.', '\0', 'x'};
  std::string out(size, 'a');
  for (char& c : out) {
    const auto roll = random() % (dense ? 8 : 80);
    if (roll < 5)
      c = special[roll];
    else if (roll == 5)
      c = static_cast<char>(random());
  }
  for (size_t i = 0; i + 1 < size; ++i) {  // and CRLF more often than its halves
    if (random() % (dense ? 4 : 40) == 0) {
      out[i] = '\r';
      out[i + 1] = '\n';
    }
  }
  return out;
}

void expect_agreement(smtp::FindSpecial find, smtp::FindSpecial plain) {
  std::mt19937 random(1);
  for (int round = 0; round < 20'000; ++round) {
    const std::string text = random_octets(random, random() % 700, round % 2 == 0);
    const uint64_t all = ~uint64_t{0};
    const Want want{random() % 2 ? all : 0, random() % 2 ? all : 0, random() % 2 ? all : 0};
    const auto before = random() % 3;
    LineContext context{before == 1, before == 2};
    LineContext expected = context;
    size_t at = 0;
    while (at < text.size()) {
      const size_t size = std::min<size_t>(text.size() - at, 1 + random() % 500);
      const size_t found = find(text.data() + at, size, want, context);
      ASSERT_EQ(found, plain(text.data() + at, size, want, expected));
      ASSERT_EQ(context.after_cr, expected.after_cr);
      ASSERT_EQ(context.line_start, expected.line_start);
      if (found < size) break;
      at += size;
    }
  }
}

TEST(FindSpecial, AgreesInAllVersions) {
  const auto versions = smtp::find_special_versions();
  for (const smtp::FindSpecial find : versions) expect_agreement(find, versions.front());
  expect_agreement(smtp::find_special, versions.front());
}

TEST(FindSpecial, FindsOneOctetWhereverItStands) {
  const Want everything{~uint64_t{0}, ~uint64_t{0}, ~uint64_t{0}};
  for (const std::string_view bad : {"\n", "\rx", "\r\n."}) {
    for (size_t at = 0; at < 300; ++at) {
      std::string text(300 + bad.size(), 'x');
      text.replace(at, bad.size(), bad);
      for (const smtp::FindSpecial find : smtp::find_special_versions()) {
        LineContext context;
        EXPECT_EQ(find(text.data(), text.size(), everything, context), at + bad.size() - 1);
      }
    }
  }
}

struct Read {
  std::string body;
  Content::Fault fault = Content::Fault::none;
  bool ended = false;
  size_t used = 0;
};

Content::Fault fault_of(Found found) {
  switch (found) {
    case Found::bare_cr:
      return Content::Fault::bare_cr;
    case Found::bare_lf:
      return Content::Fault::bare_lf;
    case Found::nul_dot:
      return Content::Fault::nul_dot;
    default:
      return Content::Fault::none;
  }
}

Read read(Scanner scanner, std::string_view text, std::mt19937& random) {
  Read out;
  while (out.used < text.size() && !out.ended) {
    const std::string part(text.substr(out.used, 1 + random() % (1u << random() % 10)));
    std::string_view input = part;
    std::string_view piece;
    for (;;) {
      const Found found = scanner.scan(input, piece);
      if (found == Found::nothing) break;
      if (found == Found::piece) {
        if (out.fault == Content::Fault::none) out.body += piece;
        continue;
      }
      out.ended = found == Found::end;
      if (out.ended) break;
      EXPECT_EQ(out.fault, Content::Fault::none) << "after drain() nothing is a violation";
      out.fault = fault_of(found);
      scanner.drain();
    }
    out.used += part.size() - input.size();
  }
  if (out.fault == Content::Fault::none && scanner.after_cr() && !out.ended) {
    out.fault = Content::Fault::bare_cr;
  }
  return out;
}

void expect_agreement_on_data(bool normalize) {
  std::mt19937 random(2);
  for (int round = 0; round < 30'000; ++round) {
    std::string text = random_octets(random, random() % 200, round % 2 == 0);
    if (random() % 2 == 0) text += "\r\n.\r\nQUIT\r\n";
    const auto expected = read_data(text, normalize);
    const Read actual = read(Scanner(Scanner::Framing::dots, normalize), text, random);
    ASSERT_EQ(actual.ended, expected.has_value()) << testing::PrintToString(text);
    if (!expected) continue;
    ASSERT_EQ(actual.fault, expected->fault) << testing::PrintToString(text);
    ASSERT_EQ(actual.used, text.size() - expected->rest.size()) << testing::PrintToString(text);
    if (expected->fault == Content::Fault::none) {
      ASSERT_EQ(actual.body, expected->body) << testing::PrintToString(text);
    }
  }
}

TEST(Scanner, AgreesWithTheReferenceOnData) {
  expect_agreement_on_data(false);
}

TEST(Scanner, AgreesWithTheReferenceOnNormalisedData) {
  expect_agreement_on_data(true);
}

TEST(Scanner, AgreesWithTheReferenceOnChunks) {
  std::mt19937 random(3);
  for (int round = 0; round < 30'000; ++round) {
    const std::string text = random_octets(random, random() % 200, round % 2 == 0);
    const bool normalize = random() % 2 == 0;
    const bool binary = random() % 4 == 0;
    const auto framing = binary ? Scanner::Framing::binary : Scanner::Framing::octets;
    const Content expected = read_chunks(text, normalize, binary);
    const Read actual = read(Scanner(framing, normalize), text, random);
    ASSERT_EQ(actual.fault, expected.fault) << testing::PrintToString(text);
    ASSERT_FALSE(actual.ended);
    if (expected.fault == Content::Fault::none) {
      ASSERT_EQ(actual.body, expected.body) << testing::PrintToString(text);
    }
  }
}

TEST(Scanner, GivesTheWholeInputAsOnePieceWhereNothingIsSpecial) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "A line with a dot. And .another one\r\n";
  Scanner scanner(Scanner::Framing::dots, false);
  std::string_view input = text;
  std::string_view piece;
  EXPECT_EQ(scanner.scan(input, piece), Found::piece);
  EXPECT_EQ(piece.data(), text.data());
  EXPECT_EQ(piece.size(), text.size());
  EXPECT_EQ(scanner.scan(input, piece), Found::nothing);
}

TEST(Scanner, HoldsNoOctetBack) {
  Scanner scanner(Scanner::Framing::dots, false);
  std::string_view input = "x\r";
  std::string_view piece;
  EXPECT_EQ(scanner.scan(input, piece), Found::piece);
  EXPECT_EQ(piece, "x\r");
}

}  // namespace
}  // namespace lsmtpd::test
