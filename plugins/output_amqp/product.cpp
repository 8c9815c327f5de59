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

// From 3.13 on. A version that is not told may be any.
bool accepts_before_sync(std::string_view version) {
  int minor = 0;
  if (!version.starts_with("3.")) return true;
  version.remove_prefix(2);
  std::from_chars(version.data(), version.data() + version.size(), minor);
  return minor >= 13;
}

// "E/KEY", or one of the exchanges that are always there.
bool names_exchange(std::string_view address) {
  return address.find('/') != std::string_view::npos || address.starts_with("amq.");
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
  } else if (key == "activemq") {
    product.broker = Broker::classic;
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

std::string queue_path(std::string_view address) {
  constexpr std::string_view kSecondForm = "/queues/";
  if (address.starts_with(kSecondForm)) return std::string(address);
  for (const std::string_view first_form : {"/queue/", "/amq/queue/"}) {
    if (address.starts_with(first_form))
      return std::string(kSecondForm) + percent_encoded(address.substr(first_form.size()));
  }
  return {};
}

Judgement judge(const Product& product, const Attach& attach) {
  Judgement judgement;
  const auto asks_for = [&](std::string_view name) {
    const auto& names = attach.capabilities;
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  switch (product.broker) {
    case Broker::rabbitmq3:
      judgement.loses = rabbitmq3_reason(attach);
      if (accepts_before_sync(product.version))
        judgement.unsure =
            "a classic queue of RabbitMQ 3.13 and later accepts before it has synced, and its AMQP "
            "1.0 plugin does not tell a queue's type";
      break;
    case Broker::artemis:
      if (!asks_for("queue"))
        judgement.loses =
            "Artemis makes a multicast address without the `queue` capability, and drops what "
            "nobody subscribed to";
      break;
    case Broker::broker_j:
      if (names_exchange(attach.address))
        judgement.loses =
            "Broker-J takes this address for an exchange, which may accept what no queue is bound "
            "for";
      break;
    case Broker::classic:
      if (attach.address.starts_with("topic://") || attach.address.starts_with("temp-"))
        judgement.loses = "ActiveMQ Classic accepts for a topic what nobody subscribed to";
      break;
    case Broker::rabbitmq4:  // judge_queue()
    case Broker::unknown:
      break;
  }
  return judgement;
}

Judgement judge_anonymous() {
  Judgement judgement;
  judgement.unsure = "one link serves all addresses, and what each of them does is not asked";
  return judgement;
}

void judge_queue(const QueueFacts& facts, Judgement* judgement) {
  if (facts.missing) {
    judgement->unsynced =
        "there is no such queue, and one that RabbitMQ makes by itself is classic";
  } else if (!facts.unknown.empty()) {
    judgement->unsure = "the queue's type could not be asked: " + facts.unknown;
  } else if (!facts.durable) {
    judgement->loses = "the queue is not durable";
  } else if (facts.drops_head) {
    judgement->loses =
        "the queue has a greatest length and drops its oldest messages; set "
        "x-overflow = reject-publish";
  } else if (facts.type == "quorum") {
    judgement->rests_on = "quorum queue: synced to disk by a majority of its nodes";
  } else if (facts.type == "classic" || facts.type == "stream") {
    judgement->unsynced = facts.type == "classic"
                              ? "RabbitMQ accepts for a classic queue before it has synced"
                              : "RabbitMQ does not sync streams";
    judgement->rests_on =
        facts.type + ": survives the end of the broker's process, not a power cut";
  } else {
    judgement->unsure = "queues of type " + facts.type + " are not known here";
  }
}

}  // namespace lsmtpd::amqp
