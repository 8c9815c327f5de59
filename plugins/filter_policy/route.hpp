// SPDX-License-Identifier: Apache-2.0
// The addresses of a policy service, for the connections of one lane. The instance's AddressBook
// looks the name up once at a time, whoever asks, and knows which addresses failed. [loop]
#pragma once

#include <functional>
#include <lsmtpd/sdk/plugin.hpp>
#include <map>
#include <sink/address_book.hpp>
#include <utility>
#include <vector>

#include "service_address.hpp"

namespace lsmtpd::policy {

namespace sdk = lsmtpd::sdk;

class Route {
 public:
  using Done = sink::AddressBook::Done;

  Route(const sdk::LaneHost& host, sink::AddressBook& book, const Service& service)
      : host_(host), book_(book), url_{false, service.host, service.port} {}

  // `done` comes later, at most once: not where `who` asks again before.
  void find(const void* who, Done done) {
    waiters_[who] = std::move(done);
    if (waiters_.size() > 1) return;
    book_.find(host_, url_, [this](const sink::AddressBook::Answer& answer) {
      for (const auto& [ignored, waiter] : std::exchange(waiters_, {})) waiter(answer);
    });
  }
  std::vector<sink::Address> failed_last(const std::vector<sink::Address>& addresses) const {
    return book_.failed_last(addresses);
  }
  void failed(const sink::Address& address) { book_.failed(address); }
  void works(const sink::Address& address) { book_.works(address); }

 private:
  sdk::LaneHost host_;
  sink::AddressBook& book_;
  const sink::Url url_;
  std::map<const void*, Done> waiters_;  // by connection
};

}  // namespace lsmtpd::policy
