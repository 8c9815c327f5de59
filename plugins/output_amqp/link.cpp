#include "link.hpp"

#include <proton/delivery.h>
#include <proton/disposition.h>
#include <proton/link.h>
#include <proton/session.h>
#include <proton/terminus.h>

#include <algorithm>
#include <cstring>
#include <proton/sender_options.hpp>
#include <proton/symbol.hpp>
#include <proton/target_options.hpp>

#include "producer.hpp"
#include "reach.hpp"

namespace lsmtpd::amqp {

namespace {

// Content above this, or in a file, goes through a Producer.
constexpr std::uint64_t kSmallContent = 64 * 1024;
// Given to the engine at a time. Its buffers for a delivery grow to this and are kept for the next.
constexpr std::size_t kPiece = 32 * 1024;
// Unsent bytes inside the engine.
constexpr std::uint64_t kWindow = 256 * 1024;
// Large messages that are measured before their turn.
constexpr int kAhead = 4;
// A link that was attached for longer than this is attached again at once.
constexpr std::uint64_t kSettledIn = 5000;

std::string_view text(const char* string) {
  return string == nullptr ? std::string_view{} : string;
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

Link::Link(sdk::LaneHost host, const Options& options, Target target, std::string name,
           Connection& connection, Owner& owner)
    : host_(host),
      options_(options),
      target_(std::move(target)),
      name_(std::move(name)),
      connection_(connection),
      owner_(owner),
      own_annotations_(std::string(host.name()) + "."),
      pauses_(1, static_cast<std::uint64_t>(options.reconnect_first.count()),
              static_cast<std::uint64_t>(options.reconnect_last.count())) {}

void Link::attach() {
  if (phase_ == Phase::attaching || phase_ == Phase::attached || !connection_.is_open()) return;
  retry_.cancel();
  const Product& product = connection_.product();
  address_ = target_.by_exchange
                 ? exchange_address(product.broker, target_.exchange, target_.routing_key)
                 : target_.address;
  where_ = to_string(connection_.url()) + " " + address_;
  const std::string lossy =
      lossy_reason(product.broker, {address_, options_.durability, options_.capabilities});
  if (!lossy.empty() && !options_.allow_lossy_target) {
    return pause(lossy + "; see `allow_lossy_target`");
  }
  if (!lossy.empty())
    host_.warn("this target loses messages that it accepted",
               {{"address", address_}, {"why", lossy}});
  const std::string error = open_sender();
  if (!error.empty()) return pause(error);
  phase_ = Phase::attaching;
  connection_.wake();
}

std::string Link::open_sender() {
  std::vector<proton::symbol> capabilities(options_.capabilities.begin(),
                                           options_.capabilities.end());
  proton::target_options target;
  target.address(address_)
      .durability_mode(static_cast<enum proton::target::durability_mode>(options_.durability))
      .capabilities(capabilities);
  proton::sender_options sender;
  // Settling is ours: Proton would settle on any state, terminal or not.
  sender.name(name_)
      .auto_settle(false)
      .delivery_mode(proton::delivery_mode::AT_LEAST_ONCE)
      .target(target);
  try {
    proton_session_ = connection_.connection().open_session();
    proton_sender_ = proton_session_.open_sender(address_, sender);
  } catch (const std::exception& error) {
    return error.what();
  }
  session_ = reach(proton_session_);
  link_ = reach(proton_sender_);
  return {};
}

void Link::enqueue(Part* part) {
  part->link = this;
  (part->job->replay ? replay_ : live_).push_back(part);
}

void Link::forget(Part* part) {
  auto& queue = part->job->replay ? replay_ : live_;
  const auto found = std::find(queue.begin(), queue.end(), part);
  if (found != queue.end()) queue.erase(found);
}

void Link::fail_queued(const Outcome& outcome) {
  for (auto* queue : {&live_, &replay_}) {
    std::deque<Part*> parts;
    parts.swap(*queue);
    for (Part* part : parts) owner_.part_done(*part, outcome);
  }
}

void Link::opened() {
  // A refusal: an attach without a target, and the reason in the detach that follows.
  if (pn_terminus_get_type(pn_link_remote_target(link_)) == PN_UNSPECIFIED) return;
  phase_ = Phase::attached;
  refusal_.clear();
  attached_at_ = host_.now_ms();
  connection_.proved();
  owner_.link_attached(*this);
  connection_.wake();
}

void Link::closed(std::string_view why) {
  const bool was_attached = phase_ == Phase::attached;
  if (phase_ != Phase::attaching && !was_attached) return;
  const std::string reason(why.empty() ? "the broker detached the link" : why);
  detach();
  lose_sent(reason);
  if (was_attached && host_.now_ms() - attached_at_ >= kSettledIn) {
    host_.info("link detached, attaching it again", {{"address", address_}, {"why", reason}});
    pauses_.succeeded();
    return attach();
  }
  pause(reason);
}

void Link::pause(std::string_view why) {
  phase_ = Phase::paused;
  refusal_ = why;
  const std::uint64_t ms = pauses_.failed(attached_at_ + next_tag_ + host_.now_ms());
  retry_ = host_.timer(std::chrono::milliseconds(ms), [this] { owner_.link_rested(*this); });
  fail_queued(not_sent(refusal_));
  owner_.link_refused(*this, refusal_);
}

void Link::detach() {
  phase_ = Phase::idle;
  if (link_ != nullptr) {
    pn_link_close(link_);
    pn_session_close(session_);
    connection_.wake();
  }
  link_ = nullptr;
  session_ = nullptr;
  proton_sender_ = {};
  proton_session_ = {};
}

void Link::release() {
  retry_.cancel();
  detach();
}

void Link::connection_lost(std::string_view why) {
  retry_.cancel();
  phase_ = Phase::idle;
  refusal_.clear();
  link_ = nullptr;
  session_ = nullptr;
  proton_sender_ = {};
  proton_session_ = {};
  for (Part* part : sent_) part->delivery = nullptr;
  lose_sent(why);
}

void Link::lose_sent(std::string_view why) {
  current_ = nullptr;
  std::vector<Part*> parts;
  parts.swap(sent_);
  for (Part* part : parts) {
    if (part->delivery != nullptr) pn_delivery_set_context(part->delivery, nullptr);
    part->delivery = nullptr;
    owner_.part_done(*part, lost_unsettled(why));
  }
}

std::uint64_t Link::max_message_size() const {
  return attached() ? pn_link_remote_max_message_size(link_) : 0;
}

int Link::credit() const {
  return attached() ? pn_link_credit(link_) : 0;
}

std::string Link::promises() const {
  static constexpr const char* kDurability[] = {"none", "configuration", "unsettled-state"};
  const auto granted = pn_terminus_get_durability(pn_link_remote_target(link_));
  const std::uint64_t largest = max_message_size();
  std::string out = "credit " + std::to_string(credit());
  out += ", max-message-size " + (largest == 0 ? std::string("none") : std::to_string(largest));
  out += ", target durability " + std::string(kDurability[std::min<unsigned>(granted, 2)]);
  const std::string lossy = lossy_reason(connection_.product().broker,
                                         {address_, options_.durability, options_.capabilities});
  if (!lossy.empty()) return out + ", LOSES messages: " + lossy;
  return out + (connection_.product().broker == Broker::unknown
                    ? ", broker unknown: whether it keeps messages is not known"
                    : ", the target keeps messages");
}

bool Link::room() const {
  return connection_.transport().buffered() + pn_session_outgoing_bytes(session_) < kWindow;
}

bool Link::feed() {
  bool fed = false;
  while (attached() && room()) {
    if (current_ != nullptr) {
      // A piece at a time: the engine frames it before the next, and its buffer for the delivery
      // stays small.
      return stream() || fed;
    }
    Part* part = choose();
    if (part == nullptr || !begin(part)) break;
    fed = true;
  }
  return fed;
}

// Live mail first; replay has a share of what is left.
Part* Link::choose() {
  const int credit = pn_link_credit(link_);
  if (credit <= 0) return nullptr;
  if (Part* part = take(&live_)) return part;
  if (!live_.empty() ||
      owner_.replaying() >= owner_.replay_limit(static_cast<std::uint32_t>(credit)))
    return nullptr;
  return take(&replay_);
}

// The first part that is ready and that there is room for; large ones are overtaken while they are
// measured.
Part* Link::take(std::deque<Part*>* queue) {
  int ahead = 0;
  for (auto it = queue->begin(); it != queue->end() && ahead <= kAhead; ++it) {
    Part* part = *it;
    if (!ready(part)) {
      ++ahead;
      continue;
    }
    if (!owner_.may_send(part->job->message.size())) return nullptr;
    queue->erase(it);
    return part;
  }
  return nullptr;
}

EncoderOptions Link::encoder_options() const {
  return {host_.message_table(), options_.format, options_.extra, own_annotations_};
}

// False: it is large and still being measured.
bool Link::ready(Part* part) {
  const sdk::Message& message = part->job->message;
  if (part->producer == nullptr) {
    if (message.size() <= kSmallContent && message.in_memory()) return true;
    part->producer = std::make_shared<Producer>(host_, message, [this] { connection_.wake(); });
    part->producer->prepare(encoder_options(), copy_id(*part), address_, part->recipients);
  }
  return part->producer->prepared() || part->producer->failed();
}

// False: nothing was given to the engine.
bool Link::begin(Part* part) {
  if (part->producer == nullptr) return send_small(part);
  if (part->producer->failed()) {
    owner_.part_done(*part, not_sent("the content could not be read"));
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
  owner_.part_done(*part, too_large(bytes, limit));
  return true;
}

void Link::begin_delivery(Part* part, std::uint64_t bytes) {
  char tag[8];
  const std::uint64_t number = next_tag_++;
  std::memcpy(tag, &number, sizeof tag);
  part->delivery = pn_delivery(link_, pn_dtag(tag, sizeof tag));
  pn_delivery_set_context(part->delivery, part);
  part->phase = Part::Phase::sent;
  part->bytes = bytes;
  part->slot = sent_.size();
  sent_.push_back(part);
  owner_.part_sent(*part);
}

bool Link::send_small(Part* part) {
  std::string& buffer = *owner_.scratch();
  Encoder encoder(part->job->message, encoder_options(), copy_id(*part), address_,
                  part->recipients);
  if (!encoder.prepare()) {
    owner_.part_done(*part, not_sent("the content could not be read"));
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
  Producer& producer = *current_->producer;
  const std::string_view piece = producer.bytes().substr(0, kPiece);
  if (piece.empty()) {
    if (producer.failed()) {
      owner_.give_up("the content of a message could not be read");
    } else {
      producer.fill();
    }
    return false;
  }
  pn_link_send(link_, piece.data(), piece.size());
  producer.consume(piece.size());
  connection_.transport().add_buffered(piece.size());
  if (producer.finished()) {
    pn_link_advance(link_);
    current_->producer->forget();
    current_->producer.reset();
    current_ = nullptr;
  }
  return true;
}

void Link::settled(Part& part) {
  pn_delivery_t* delivery = part.delivery;
  const std::uint64_t remote = pn_delivery_remote_state(delivery);
  const State state = state_of(remote);
  // A receiver in mode `second` settles after the sender; all others at once, and until then
  // nothing is final.
  if (!pn_delivery_settled(delivery) &&
      (state == State::none || pn_link_remote_rcv_settle_mode(link_) != PN_RCV_SECOND)) {
    return;
  }
  pn_condition_t* condition = pn_disposition_condition(pn_delivery_remote(delivery));
  const bool rejected = state == State::rejected;
  Outcome outcome = settle_outcome(state, rejected ? text(pn_condition_get_name(condition)) : "",
                                   rejected ? text(pn_condition_get_description(condition)) : "",
                                   part.job->replay);
  if (outcome.kind == Kind::stored) outcome.detail = where_;
  pn_delivery_set_context(delivery, nullptr);
  part.delivery = nullptr;
  sent_.back()->slot = part.slot;
  std::swap(sent_[part.slot], sent_.back());
  sent_.pop_back();
  const bool aborted = current_ == &part;
  if (aborted) {
    // An outcome before the end of the message: the rest is not sent, and what was accepted is not
    // whole.
    current_ = nullptr;
    pn_delivery_abort(delivery);
    if (outcome.kind == Kind::stored) outcome = lost_unsettled("accepted before it was sent");
  } else {
    pn_delivery_settle(delivery);
  }
  owner_.part_done(part, std::move(outcome));
  // RabbitMQ 3 does not know aborted transfers.
  if (aborted && connection_.product().broker == Broker::rabbitmq3)
    owner_.give_up("a message was aborted");
}

}  // namespace lsmtpd::amqp
