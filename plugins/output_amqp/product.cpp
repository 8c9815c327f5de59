// SPDX-License-Identifier: Apache-2.0
#include "product.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace lsmtpd::amqp {

namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

// RFC 3986: everything but unreserved characters.
std::string percent_encoded(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const unsigned char c : text) {
    if (std::isalnum(c) != 0 || c == '-' || c == '.' || c == '_' || c == '~') {
      out += static_cast<char>(c);
    } else {
      out += '%';
      out += kHex[c >> 4];
      out += kHex[c & 15];
    }
  }
  return out;
}

std::string rabbitmq3_reason(const Attach& attach) {
  const std::string_view address = attach.address;
  if (address.starts_with("/exchange/") || address.starts_with("/topic/")) {
    return "RabbitMQ 3 accepts what it publishes to an exchange even where no queue is bound";
  }
  if (address.starts_with("/amq/queue/")) {
    return "RabbitMQ 3 accepts what it sends to /amq/queue/ even where there is no such queue";
  }
  if (attach.durability == 0) {
    return "RabbitMQ 3 declares the queue as not durable where `durability` is none";
  }
  return {};
}

}  // namespace

Product identify(std::string_view name, std::string_view version) {
  Product product{Broker::unknown, std::string(name), std::string(version)};
  const std::string key = lower(name);
  if (key.find("rabbitmq") != std::string::npos) {
    int major = 3;
    std::from_chars(version.data(), version.data() + version.size(), major);
    product.broker = major >= 4 ? Broker::rabbitmq4 : Broker::rabbitmq3;
  } else if (key.find("artemis") != std::string::npos) {
    product.broker = Broker::artemis;
  } else if (key.find("qpid") != std::string::npos && key.find("dispatch") == std::string::npos) {
    product.broker = Broker::broker_j;
  }
  return product;
}

std::string exchange_address(Broker broker, std::string_view exchange, std::string_view key) {
  const std::string e(exchange);
  const std::string k(key);
  switch (broker) {
    case Broker::rabbitmq4:
      if (exchange.empty()) return "/queues/" + percent_encoded(key);
      return "/exchanges/" + percent_encoded(exchange) +
             (key.empty() ? "" : "/" + percent_encoded(key));
    case Broker::rabbitmq3:
      return exchange.empty() ? "/queue/" + k : "/exchange/" + e + "/" + k;
    default:
      return exchange.empty() ? k : e + "/" + k;
  }
}

std::string lossy_reason(Broker broker, const Attach& attach) {
  if (broker == Broker::rabbitmq3) return rabbitmq3_reason(attach);
  const auto& names = attach.capabilities;
  if (broker == Broker::artemis && std::find(names.begin(), names.end(), "queue") == names.end()) {
    return "Artemis makes a multicast address without the `queue` capability, and drops what "
           "nobody subscribed to";
  }
  return {};
}

}  // namespace lsmtpd::amqp
