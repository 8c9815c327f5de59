// SPDX-License-Identifier: Apache-2.0
#include "address_book.hpp"

#include <netdb.h>

#include <algorithm>
#include <cstring>

namespace lsmtpd::sink {

namespace {

// Workers ask within moments of each other: at the start, and when a connection of each is lost.
constexpr std::chrono::seconds kFresh{1};
constexpr std::size_t kMostFailed = 64;

AddressBook::Answer literal(const Url& url) {
  AddressBook::Answer answer;
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int status =
      ::getaddrinfo(url.host.c_str(), std::to_string(url.port).c_str(), &hints, &list);
  if (status != 0) {
    answer.error = ::gai_strerror(status);
    return answer;
  }
  Address address;
  std::memcpy(&address.storage, list->ai_addr, list->ai_addrlen);
  address.length = list->ai_addrlen;
  answer.addresses.push_back(address);
  ::freeaddrinfo(list);
  return answer;
}

AddressBook::Answer taken_over(const sdk::Resolved& result) {
  AddressBook::Answer answer;
  answer.error = result.error;
  for (const lsmtpd_address& each : result) {
    Address address;
    if (each.length > sizeof address.storage) continue;
    std::memcpy(&address.storage, each.address, each.length);
    address.length = each.length;
    answer.addresses.push_back(address);
  }
  if (answer.addresses.empty() && answer.error.empty()) answer.error = "no address";
  return answer;
}

}  // namespace

std::string Address::text() const {
  char host[64];
  char port[8];
  if (::getnameinfo(reinterpret_cast<const sockaddr*>(&storage), length, host, sizeof host, port,
                    sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0)
    return "?";
  return std::string(host) + " port " + port;
}

void AddressBook::find(const sdk::LaneHost& host, const Url& url, Done done) {
  if (is_address(url.host)) {
    host.defer([answer = literal(url), done = std::move(done)] { done(answer); });
    return;
  }
  const std::string name = key(url);
  {
    const std::lock_guard lock(mutex_);
    Lookup& lookup = lookups_[name];
    if (!lookup.under_way && lookup.last.error.empty() && !lookup.last.addresses.empty() &&
        std::chrono::steady_clock::now() - lookup.at < kFresh) {
      host.defer([answer = lookup.last, done = std::move(done)] { done(answer); });
      return;
    }
    std::erase_if(lookup.waiters,
                  [&](const Waiter& waiter) { return waiter.host.state() == host.state(); });
    lookup.waiters.push_back({host, std::move(done)});
    if (lookup.under_way) return;
    lookup.under_way = true;
  }
  const bool started = host.resolve(url.host, url.port, [this, name](const sdk::Resolved& result) {
    finished(name, taken_over(result));
  });
  if (!started) finished(name, {"the resolver could not be started", {}});
}

void AddressBook::finished(const std::string& name, Answer answer) {
  std::vector<Waiter> waiters;
  {
    const std::lock_guard lock(mutex_);
    Lookup& lookup = lookups_[name];
    lookup.under_way = false;
    lookup.waiters.swap(waiters);
    lookup.last = answer;
    lookup.at = std::chrono::steady_clock::now();
  }
  for (Waiter& waiter : waiters) {
    (void)waiter.host.post([answer, done = std::move(waiter.done)] { done(answer); });
  }
}

void AddressBook::failed(const Address& address) {
  const std::string text = address.text();
  const std::lock_guard lock(mutex_);
  std::erase(failed_, text);
  failed_.push_back(text);
  if (failed_.size() > kMostFailed) failed_.erase(failed_.begin());
}

void AddressBook::works(const Address& address) {
  const std::lock_guard lock(mutex_);
  std::erase(failed_, address.text());
}

std::vector<Address> AddressBook::failed_last(std::vector<Address> addresses) const {
  const std::lock_guard lock(mutex_);
  const auto rank = [this](const Address& address) {
    const auto found = std::find(failed_.begin(), failed_.end(), address.text());
    return found == failed_.end() ? 0 : 1 + (found - failed_.begin());
  };
  std::stable_sort(addresses.begin(), addresses.end(),
                   [&](const Address& a, const Address& b) { return rank(a) < rank(b); });
  return addresses;
}

}  // namespace lsmtpd::sink
