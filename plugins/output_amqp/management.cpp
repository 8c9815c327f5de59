// SPDX-License-Identifier: Apache-2.0
#include "management.hpp"

#include <proton/codec.h>
#include <proton/connection.h>
#include <proton/delivery.h>
#include <proton/link.h>
#include <proton/session.h>
#include <proton/terminus.h>

#include <proton/codec/map.hpp>
#include <proton/message_id.hpp>
#include <proton/value.hpp>
#include <vector>

#include "message_sections.hpp"
#include "reach.hpp"

namespace lsmtpd::amqp {

namespace {

constexpr const char* kNode = "/management";
// An answer has less than a KiB.
constexpr std::size_t kWindow = 256 * 1024;
constexpr std::uint64_t kFramesOfAnAnswer = 8;

using Map = std::map<std::string, proton::value>;

void pair(pn_link_t* link) {
  for (pn_terminus_t* terminus : {pn_link_source(link), pn_link_target(link)}) {
    pn_terminus_set_type(terminus, terminus == pn_link_source(link) ? PN_SOURCE : PN_TARGET);
    pn_terminus_set_address(terminus, kNode);
  }
  pn_link_set_snd_settle_mode(link, PN_SND_SETTLED);
  pn_data_t* properties = pn_link_properties(link);
  pn_data_put_map(properties);
  pn_data_enter(properties);
  pn_data_put_symbol(properties, pn_bytes(6, "paired"));
  pn_data_put_bool(properties, true);
  pn_data_exit(properties);
}

std::string text(const Map& map, const char* key) {
  const auto found = map.find(key);
  if (found == map.end()) return {};
  try {
    return proton::coerce<std::string>(found->second);
  } catch (const std::exception&) {
    return {};
  }
}

bool is_false(const Map& map, const char* key) {
  const auto found = map.find(key);
  return found != map.end() && found->second.type() == proton::BOOLEAN &&
         !proton::get<bool>(found->second);
}

QueueFacts unknown(const std::string& why) {
  QueueFacts facts;
  facts.unknown = why;
  return facts;
}

// A queue as GET /queues/NAME describes it.
QueueFacts read_queue(const proton::value& body) {
  QueueFacts facts;
  Map map;
  proton::get(body, map);
  facts.type = text(map, "type");
  facts.durable = !is_false(map, "durable");
  if (facts.type.empty()) facts.unknown = "the broker's answer has no type";
  const auto arguments = map.find("arguments");
  if (arguments == map.end()) return facts;
  Map given;
  proton::get(arguments->second, given);
  const bool bounded = given.count("x-max-length") != 0 || given.count("x-max-length-bytes") != 0;
  facts.drops_head = bounded && !text(given, "x-overflow").starts_with("reject-publish");
  return facts;
}

QueueFacts read_answer(const proton::message& message) {
  try {
    const std::string status = message.subject();
    if (status == "200") return read_queue(message.body());
    QueueFacts facts = unknown("the broker answers " + status);
    facts.missing = status == "404";
    return facts;
  } catch (const std::exception&) {  // of another type than RabbitMQ's
    return unknown("the broker's answer is not understood");
  }
}

}  // namespace

void Management::ask(const std::string& path, Done done) {
  const bool asked = session_ != nullptr || open();
  connection_.transport().expect_transfers(kFramesOfAnAnswer);
  questions_.emplace(next_++, Question{path, std::move(done), false});
  timer_ = host_.timer(options_.connect_timeout, [this] {
    const std::string why =
        "no answer within " + std::to_string(options_.connect_timeout.count()) + " ms";
    end();
    answer_all(why);
  });
  if (!asked) host_.defer([this] { closed("no session"); });
  connection_.wake();
}

bool Management::open() {
  session_ = pn_session(reach(connection_.connection()));
  if (session_ == nullptr) return false;
  pn_session_set_incoming_capacity(session_, kWindow);
  pn_session_open(session_);
  sender_ = pn_sender(session_, name_.c_str());
  receiver_ = pn_receiver(session_, name_.c_str());
  for (pn_link_t* link : {sender_, receiver_}) {
    pair(link);
    pn_link_open(link);
  }
  return true;
}

bool Management::feed() {
  bool fed = false;
  for (auto& [id, question] : questions_) {
    if (question.sent || sender_ == nullptr || pn_link_credit(sender_) <= 0) continue;
    question.sent = true;
    const std::string request = make_request(std::to_string(id), "GET", question.path);
    pn_delivery_t* delivery =
        pn_delivery(sender_, pn_dtag(reinterpret_cast<const char*>(&id), sizeof id));
    pn_link_send(sender_, request.data(), request.size());
    pn_link_advance(sender_);
    pn_delivery_settle(delivery);
    fed = true;
  }
  return fed;
}

bool Management::message(const proton::message& message) {
  std::uint64_t id = 0;
  try {
    id = std::stoull(proton::coerce<std::string>(message.correlation_id()));
  } catch (const std::exception&) {
    return false;
  }
  const auto found = questions_.find(id);
  if (found == questions_.end()) return false;
  const Done done = std::move(found->second.done);
  questions_.erase(found);
  if (questions_.empty()) {
    timer_.cancel();
    end();
  }
  done(read_answer(message));
  return true;
}

void Management::closed(std::string_view why) {
  end();
  answer_all(why.empty() ? "the broker closed the link to its management" : std::string(why));
}

// The connection frees the session when the broker has ended it too.
void Management::end() {
  if (session_ == nullptr) return;
  pn_link_close(receiver_);
  connection_.end_session(sender_, session_);
  session_ = nullptr;
  sender_ = nullptr;
  receiver_ = nullptr;
}

void Management::answer_all(const std::string& why) {
  timer_.cancel();
  std::map<std::uint64_t, Question> questions;
  questions.swap(questions_);
  for (auto& [id, question] : questions) question.done(unknown(why));
}

void Management::connection_lost() {
  timer_.cancel();
  questions_.clear();
  session_ = nullptr;
  sender_ = nullptr;
  receiver_ = nullptr;
}

}  // namespace lsmtpd::amqp
