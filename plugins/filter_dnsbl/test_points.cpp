// SPDX-License-Identifier: Apache-2.0
#include "test_points.hpp"

#include <algorithm>

namespace filter_dnsbl {

namespace {

using std::chrono::milliseconds;
constexpr milliseconds kEvery{3'600'000};
constexpr milliseconds kTimeout{10'000};
constexpr milliseconds kPause{60'000};  // where nobody answered

// RFC 5782 5. A list of IPv6 addresses alone has the IPv4-mapped ones.
std::string point(By by, bool second, bool ipv6) {
  if (by != By::address) return second ? "invalid" : "test";
  if (!ipv6) return second ? "1.0.0.127" : "2.0.0.127";
  std::string name = second ? "1.0.0.0" : "2.0.0.0";
  name += ".0.0.f.7.f.f.f.f";
  for (int i = 0; i < 20; ++i) name += ".0";
  return name;
}

}  // namespace

void TestPoints::start() {
  for (size_t i = 0; i < shared_.settings.lists.size(); ++i) {
    if (!shared_.settings.lists[i].tested) {
      shared_.states[i].set(true);
      continue;
    }
    tests_.push_back(std::make_unique<Test>());
    tests_.back()->list = i;
    ask(*tests_.back());
  }
}

void TestPoints::ask(Test& test) {
  const List& list = shared_.settings.lists[test.list];
  test.question =
      host_.query(point(list.by, test.second, test.ipv6) + "." + list.zone, LSMTPD_DNS_A, kTimeout,
                  [this, &test](const lsmtpd_dns_answer& answer) { answered(test, answer); });
  if (!test.question) end(test, "its test point could not be asked", kPause);
}

void TestPoints::answered(Test& test, const lsmtpd_dns_answer& answer) {
  if (!is_answer(answer)) return end(test, "no answer: " + failure_text(answer), kPause);
  const auto codes = codes_of(answer);
  if (const auto error = std::find_if(codes.begin(), codes.end(), is_list_error);
      error != codes.end())
    return end(test, "it answers with the error " + code_text(*error), kEvery);
  const bool listed = std::any_of(codes.begin(), codes.end(), is_list_answer);
  const bool by_address = shared_.settings.lists[test.list].by == By::address;
  if (!test.second && !listed) {
    if (by_address && !std::exchange(test.ipv6, true)) return ask(test);
    return end(test, by_address ? "127.0.0.2 is not listed" : "TEST is not listed", kEvery);
  }
  if (test.second && listed)
    return end(test, by_address ? "127.0.0.1 is listed" : "INVALID is listed", kEvery);
  if (!std::exchange(test.second, true)) return ask(test);
  end(test, "", kEvery);
}

void TestPoints::end(Test& test, const std::string& problem, milliseconds again) {
  const List& list = shared_.settings.lists[test.list];
  const bool is_new = shared_.states[test.list].set(problem.empty());
  if (!problem.empty() && is_new) {
    host_.warn("the list is not asked, as its test points are wrong",
               {{"list", list.name},
                {"reason", list.hidden(problem)},
                {"again_in_s", again.count() / 1000}});
  } else if (is_new) {
    host_.info("the list is asked", {{"list", list.name}});
  }
  test.second = test.ipv6 = false;
  test.again = host_.timer(again, [this, &test] { ask(test); });
}

}  // namespace filter_dnsbl
