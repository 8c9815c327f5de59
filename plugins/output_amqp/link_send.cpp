// SPDX-License-Identifier: Apache-2.0
// Link, second part: what is sent when, and what the broker says of it.
#include <proton/codec.h>
#include <proton/condition.h>
#include <proton/delivery.h>
#include <proton/disposition.h>
#include <proton/link.h>
#include <proton/session.h>

#include <algorithm>
#include <cstring>
#include <ctime>

#include <sink/producer.hpp>
#include "link.hpp"

namespace lsmtpd::amqp {

namespace {

// Given to the engine at a time. Its buffers for a delivery grow to this and are kept for the next.
constexpr std::size_t kPiece = 32 * 1024;
// Unsent bytes inside the engine.
constexpr std::uint64_t kWindow = 256 * 1024;
// A link without credit for less than this is merely busy, in milliseconds.
constexpr std::uint64_t kDry = 1000;

std::string text(const char* string) {
  return string == nullptr ? std::string() : std::string(string);
}

std::string time_of_day() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  char out[32];
  return std::string(out, std::strftime(out, sizeof out, "%Y-%m-%dT%H:%M:%SZ", &parts));
}

std::string printed(pn_data_t* data) {
  const pn_type_t type = pn_data_type(data);
  if (type != PN_STRING && type != PN_SYMBOL) return {};
  const pn_bytes_t bytes = type == PN_STRING ? pn_data_get_string(data) : pn_data_get_symbol(data);
  return std::string(bytes.start, bytes.size);
}

// RabbitMQ 4.3 and later name the queue and the reason in the condition's info.
void read_info(pn_data_t* info, Rejection* rejection) {
  pn_data_rewind(info);
  if (!pn_data_next(info) || pn_data_type(info) != PN_MAP) return;
  pn_data_enter(info);
  while (pn_data_next(info)) {
    const std::string key = printed(info);
    if (!pn_data_next(info)) break;
    if (key == "queue") rejection->queue = printed(info);
    if (key == "reason") rejection->reason = printed(info);
  }
}

Rejection rejection_of(pn_delivery_t* delivery) {
  pn_condition_t* condition = pn_disposition_condition(pn_delivery_remote(delivery));
  Rejection rejection{text(pn_condition_get_name(condition)),
                      text(pn_condition_get_description(condition)),
                      {},
                      {}};
  read_info(pn_condition_info(condition), &rejection);
  return rejection;
}

State state_of(std::uint64_t remote) {
  switch (remote) {
    case PN_ACCEPTED:
      return State::accepted;
    case PN_REJECTED:
      return State::rejected;
    case PN_RELEASED:
      return State::released;
    case PN_MODIFIED:
      return State::modified;
    default:
      return State::none;
  }
}

}  // namespace

bool Link::room() const {
  return connection_.transport().buffered() + pn_session_outgoing_bytes(session_) < kWindow;
}

bool Link::feed() {
  if (phase_ == Phase::waiting) {
    attach();
    return phase_ == Phase::attaching;
  }
  if (attached() && !credit_is_usable()) return false;
  if (attached()) watch_credit();
  bool fed = false;
  while (attached() && room()) {
    if (current_ != nullptr) {
      // A piece at a time: the engine frames it before the next, and its buffer for the delivery
      // stays small.
      return stream() || fed;
    }
    Part* part = choose(static_cast<std::uint32_t>(std::max(0, pn_link_credit(link_))));
    if (part == nullptr) return return_credit() || fed;
    if (!begin(part)) break;
    fed = true;
  }
  return fed;
}

// A receiver that drains wants its credit used up at once: by what there is, or given back
// (part 2, 2.6.7).
bool Link::return_credit() {
  return pn_link_get_drain(link_) && pn_link_drained(link_) > 0;
}

// Proton counts credit with a sign, so that from 2^31 on it would wait for ever. What is merely
// overdrawn, because the receiver took some back, cannot be more than was sent.
bool Link::credit_is_usable() {
  const int credit = pn_link_credit(link_);
  if (credit >= 0 || static_cast<std::uint64_t>(-std::int64_t{credit}) <= next_tag_ - first_tag_)
    return true;
  closed("the broker grants a credit of " + std::to_string(this->credit()) +
         ", of which no more than 2147483647 can be used");
  return false;
}

void Link::watch_credit() {
  if (pn_link_credit(link_) > 0) {
    dry_at_ = 0;
    if (!starved_) return;
    starved_ = false;
    refusal_.clear();
    host_.info("the broker grants credit again", {{"address", address_}});
  } else if (dry_at_ == 0 && sent_.empty()) {
    dry_at_ = std::max<std::uint64_t>(host_.now_ms(), 1);
    dry_since_ = time_of_day();
  } else if (!sent_.empty()) {
    dry_at_ = 0;  // their outcomes, or their deadlines, say more
  }
}

void Link::deadline_passed() {
  const bool dry = dry_at_ != 0 && host_.now_ms() - dry_at_ >= kDry;
  if (!attached() || starved_ || !dry) return;
  starved_ = true;
  refusal_ = "the broker grants no credit since " + dry_since_;
  host_.warn("the broker grants no credit", {{"address", address_}, {"since", dry_since_}});
  fail_queued(not_sent(refusal_));
}

std::string Link::address_for(const Part& part) const {
  if (!options_.anonymous_terminus) return address_;
  return address_of({.address = part.address,
                     .exchange = target_.exchange,
                     .routing_key = part.routing_key,
                     .by_exchange = target_.by_exchange});
}

// A link with a target was judged before its attach.
std::string Link::refusal_of_address(const Part& part) const {
  if (!options_.anonymous_terminus || options_.allow_lossy_target) return {};
  const std::string address = address_for(part);
  const Judgement judged =
      judge(connection_.product(), {address, options_.durability, options_.capabilities});
  return judged.loses.empty() ? std::string()
                              : address + ": " + judged.loses + "; see `allow_lossy_target`";
}

EncoderOptions Link::encoder_options() const {
  return {host_.message_table(),    options_.format,         options_.extra,
          options_.copy_message_id, options_.property_limit, &options_.fields};
}

std::unique_ptr<Source> Link::source(const Part& part, const sdk::Message& message) const {
  return std::make_unique<Encoder>(message, encoder_options(), part.copy_id, address_for(part),
                                   part.recipients, part.claim);
}

// False: nothing was given to the engine.
bool Link::begin(Part* part) {
  if (const std::string why = refusal_of_address(*part); !why.empty()) {
    lane_.part_done(*part, not_sent(why));
    return true;
  }
  if (part->producer == nullptr) return send_small(part);
  if (part->producer->failed()) {
    lane_.part_done(*part, not_sent("the content could not be read"));
    return true;
  }
  if (too_large_for_link(part, part->producer->size())) return true;
  begin_delivery(part, part->producer->size());
  current_ = part;
  return stream();
}

bool Link::too_large_for_link(Part* part, std::uint64_t bytes) {
  const std::uint64_t limit = max_message_size();
  if (limit == 0 || bytes <= limit) return false;
  lane_.part_done(*part, too_large(bytes, limit));
  return true;
}

void Link::begin_delivery(Part* part, std::uint64_t bytes) {
  char tag[8];
  const std::uint64_t number = next_tag_++;
  std::memcpy(tag, &number, sizeof tag);
  pn_delivery_t* delivery = pn_delivery(link_, pn_dtag(tag, sizeof tag));
  pn_delivery_set_context(delivery, part);
  part->phase = Part::Phase::sent;
  part->bytes = bytes;
  part->slot = sent_.size();
  sent_.push_back({part, delivery});
  lane_.part_sent(*part);
}

bool Link::send_small(Part* part) {
  std::string& buffer = *lane_.scratch();
  Encoder encoder(part->job->message, encoder_options(), part->copy_id, address_for(*part),
                  part->recipients, part->claim);
  if (!encoder.prepare()) {
    lane_.part_done(*part, not_sent("the content could not be read"));
    return true;
  }
  if (too_large_for_link(part, encoder.size())) return true;
  begin_delivery(part, encoder.size());
  for (std::int64_t got = 0; (got = encoder.produce(buffer.data(), buffer.size())) > 0;) {
    pn_link_send(link_, buffer.data(), static_cast<std::size_t>(got));
  }
  pn_link_advance(link_);
  connection_.transport().add_buffered(encoder.size());
  return true;
}

// One piece of the large message under way. False: it must be produced first.
bool Link::stream() {
  const std::string_view piece = next_piece(kPiece);
  if (piece.empty()) return false;
  pn_link_send(link_, piece.data(), piece.size());
  connection_.transport().add_buffered(piece.size());
  if (took(piece.size())) pn_link_advance(link_);
  return true;
}

void Link::settled(pn_delivery_t* delivery, Part& part) {
  const std::uint64_t remote = pn_delivery_remote_state(delivery);
  const State state = state_of(remote);
  // A receiver in mode `second` settles after the sender; all others at once, and until then
  // nothing is final.
  if (!pn_delivery_settled(delivery) &&
      (state == State::none || pn_link_remote_rcv_settle_mode(link_) != PN_RCV_SECOND)) {
    return;
  }
  Outcome outcome =
      settle_outcome(state, state == State::rejected ? rejection_of(delivery) : Rejection{},
                     connection_.product().broker, part.job->replay);
  const std::string where = where_ + address_for(part);
  outcome.detail += outcome.detail.empty() ? where : " (" + where + ")";
  pn_delivery_set_context(delivery, nullptr);
  sent_.back().part->slot = part.slot;
  std::swap(sent_[part.slot], sent_.back());
  sent_.pop_back();
  const bool aborted = current_ == &part || pn_delivery_pending(delivery) != 0;
  if (aborted) {
    // An outcome before the end of the message: the rest is not sent, be it here or in the engine,
    // and what was accepted is not whole.
    if (current_ == &part) current_ = nullptr;
    pn_delivery_abort(delivery);
    if (outcome.kind == Kind::stored) outcome = lost_unsettled("accepted before it was sent");
  } else {
    pn_delivery_settle(delivery);
  }
  lane_.part_done(part, std::move(outcome));
  // RabbitMQ 3 does not know aborted transfers.
  if (aborted && connection_.product().broker == Broker::rabbitmq3)
    lane_.give_up("a message was aborted");
}

}  // namespace lsmtpd::amqp
