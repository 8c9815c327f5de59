// SPDX-License-Identifier: Apache-2.0
// filter_access with a list of a million entries: the whole of a rule's look-up, from the
// envelope to the verdict, and the bytes that an entry takes in the mapped list.
#include <benchmark/benchmark.h>
#include <lsmtpd/message.h>

#include <random>
#include <string>
#include <vector>

#include "evaluation.hpp"
#include "image_builder.hpp"
#include "list_text.hpp"

namespace {

using namespace lsmtpd::access;

constexpr size_t kEntries = 1000000;

std::string random_ip(std::mt19937_64& random, bool v6) {
  lsmtpd::mail_names::Ip ip;
  ip.v6 = v6;
  const uint64_t number = random();
  for (size_t i = 0; i < 8; ++i) ip.bytes[i] = static_cast<uint8_t>(number >> (8 * i));
  if (v6) return ip.network(64).text();
  ip.bytes = {ip.bytes[0], ip.bytes[1], ip.bytes[2], ip.bytes[3]};
  return ip.text();
}

std::string random_address(std::mt19937_64& random) {
  std::string text;
  for (uint64_t number = random(), i = 0; i < 8; ++i, number /= 26)
    text += static_cast<char>('a' + number % 26);
  return text + "@d" + std::to_string(random() % 1000000) + ".example.org";
}

enum Kind { v4, v6, address };

struct List {
  explicit List(Kind kind) {
    std::mt19937_64 random(14);
    ImageBuilder builder;
    std::string problem;
    for (size_t i = 0; i < kEntries; ++i) {
      texts.push_back(kind == address ? random_address(random) : random_ip(random, kind == v6));
      builder.add(*parse_pattern(kind == v6 ? texts.back() + "/64" : texts.back(), problem), {});
    }
    bytes = builder.finish(problem);
    image.open(bytes);
  }
  std::vector<std::string> texts;
  std::string bytes;
  Image image;
};

template <Kind kind>
const List& list() {
  static const List only(kind);
  return only;
}

// Every other look-up is of an entry.
template <Kind kind>
std::vector<std::string> questions() {
  std::mt19937_64 random(15);
  std::vector<std::string> out;
  for (size_t i = 0; i < 65536; ++i)
    out.push_back(i % 2 == 0        ? list<kind>().texts[random() % kEntries]
                  : kind == address ? random_address(random)
                                    : random_ip(random, kind == v6));
  return out;
}

template <Kind kind>
void look_up(benchmark::State& state) {
  const List& entries = list<kind>();
  const std::vector<std::string> asked = questions<kind>();
  size_t next = 0;
  for (auto _ : state) {
    lsmtpd_envelope envelope{};
    const std::string& text = asked[next++ % asked.size()];
    const lsmtpd_str value = {text.data(), text.size()};
    (kind == address ? envelope.reverse_path : envelope.peer_address) = value;
    const Facts facts(envelope, LSMTPD_PHASE_MAIL, std::nullopt);
    if constexpr (kind == address) {
      const auto& sender = facts.sender();
      benchmark::DoNotOptimize(find_address(entries.image, sender.local, sender.domain, false));
    } else {
      benchmark::DoNotOptimize(entries.image.find(*facts.client()));
    }
  }
  state.counters["bytes_per_entry"] =
      static_cast<double>(entries.bytes.size()) / static_cast<double>(kEntries);
}

}  // namespace

BENCHMARK(look_up<v4>);
BENCHMARK(look_up<v6>);
BENCHMARK(look_up<address>);
