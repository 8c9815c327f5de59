// SPDX-License-Identifier: Apache-2.0
#include "amqp_lane.hpp"

#include <proton/delivery.h>

#include <algorithm>

#include "encoder.hpp"

namespace lsmtpd::amqp {

namespace {

constexpr std::chrono::milliseconds kLasting{1000};
// Credit comes after the attach.
constexpr std::chrono::milliseconds kCreditPatience{1000};

std::string numbered(const std::string& name, const sdk::Host& host) {
  return host.workers() > 1 ? name + "-" + std::to_string(host.worker()) : name;
}

std::string own_name(const Options& options, const sdk::Host& host) {
  return "lsmtpd-" + std::string(host.hostname()) + "-" + std::string(host.name()) + "-" +
         std::to_string(host.worker()) + "-" + options.process_tag;
}

// All outlets of this lane are links.
template <class Entry>
Link& link_in(const Entry& entry) {
  return static_cast<Link&>(*entry.second);
}

}  // namespace

Lane::Lane(sdk::LaneHost host, Shared& shared)
    : BrokerLane(host, shared, shared.options, shared.options.target, connection_),
      options_(shared.options),
      own_name_(own_name(options_, host)),
      container_id_(options_.container_id.empty() ? own_name_
                                                  : numbered(options_.container_id, host)),
      connection_(host, options_, shared.dialing, container_id_,
                  static_cast<BrokerConnection::Owner&>(*this),
                  static_cast<Connection::Events&>(*this)),
      management_(host, options_, own_name_ + "/management", connection_) {
  credit_ = host.gauge("output_credit", "Messages that the broker would take now (link credit).");
}

std::optional<Target> Lane::only_target() const {
  if (options_.anonymous_terminus) {
    Target all;  // what a copy adds to it is in the copy
    all.by_exchange = options_.target.by_exchange;
    all.exchange = options_.target.exchange.expand(lsmtpd_envelope{}, {});
    return all;
  }
  if (!options_.target.is_fixed()) return std::nullopt;
  return plan(options_.target, lsmtpd_envelope{}).front().target;
}

std::unique_ptr<Outlet> Lane::make_outlet(const Target& target, const std::string& key) {
  std::string name = options_.link_name.empty() ? own_name_ : numbered(options_.link_name, host());
  if (options_.link_name.empty() || !outlets().empty()) name += "/" + key;
  auto link = std::make_unique<Link>(host(), options_, target, name, connection_,
                                     static_cast<Outlet::Owner&>(*this),
                                     static_cast<Link::Sessions&>(*this));
  link->attach_soon();
  return link;
}

BrokerLane::OutletLimit Lane::outlet_limit() const {
  const std::size_t most = connection_.is_open()
                               ? std::min<std::size_t>(options_.links, connection_.sessions())
                               : options_.links;
  return {most, "links"};
}

std::uint64_t Lane::size_limit() const {
  std::uint64_t limit = 0;
  for (const auto& entry : outlets()) {
    const std::uint64_t own = link_in(entry).max_message_size();
    if (own != 0 && (limit == 0 || own < limit)) limit = own;
  }
  return content_limit_of_link(options_.format, limit);
}

std::string Lane::product() const {
  const Product& product = connection_.product();
  return product.version.empty() ? product.name : product.name + " " + product.version;
}

// By a name of its own: brokers refuse a second connection of one container.
std::unique_ptr<BrokerConnection> Lane::make_trial(BrokerConnection::Owner& owner) {
  return std::make_unique<Connection>(host(), options_, dialing(), container_id_ + "-trial", owner,
                                      unheard_);
}

void Lane::connection_gone() {
  reached_timer_.cancel();
  probe_timer_.cancel();
  credit_.set(0);
  management_.connection_lost();
}

// A link that is attached shows that the broker is a good one, or a connection that lasts: brokers
// answer the Open of one that they refuse, and close.
void Lane::connection_open() {
  if (!probing()) reached_timer_ = host().timer(kLasting, [this] { reached(); });
  BrokerLane::connection_open();
}

bool Lane::refill() {
  const bool asked = management_.feed();
  const bool fed = BrokerLane::refill();
  std::uint64_t credit = 0;
  for (const auto& entry : outlets()) credit += link_in(entry).credit();
  credit_.set(static_cast<double>(credit));
  if (probing() && only() != nullptr && credit > 0) probe_attached();
  return asked || fed;
}

template <class Raw>
Link* Lane::link_of(const Raw* raw) const {
  const auto found = std::find_if(outlets().begin(), outlets().end(),
                                  [raw](const auto& entry) { return link_in(entry).is(raw); });
  return found == outlets().end() ? nullptr : &link_in(*found);
}

void Lane::sender_open(pn_link_t* raw) {
  if (Link* link = link_of(raw)) link->opened();
}

void Lane::link_closed(pn_link_t* raw, std::string_view why) {
  if (management_.is(raw)) return management_.closed(why);
  if (Link* link = link_of(raw)) link->closed(why);
}

bool Lane::message_arrived(pn_link_t* link, const proton::message& message) {
  return management_.is(link) && management_.message(message);
}

void Lane::session_closed(pn_session_t* session, std::string_view why) {
  if (management_.is(session)) return management_.closed(why);
  if (Link* link = link_of(session)) link->closed(why);
}

void Lane::delivery_updated(pn_delivery_t* delivery) {
  auto* part = static_cast<Part*>(pn_delivery_get_context(delivery));
  if (part != nullptr) static_cast<Link*>(part->outlet)->settled(delivery, *part);
}

bool Lane::has_session() const {
  const auto used = std::count_if(outlets().begin(), outlets().end(),
                                  [](const auto& entry) { return link_in(entry).has_session(); });
  const std::size_t asking = management_.has_session() ? 1 : 0;
  return static_cast<std::size_t>(used) + asking + connection_.ending() < connection_.sessions();
}

void Lane::ask_queue(Link& link, const std::string& path) {
  const auto asked = std::find_if(outlets().begin(), outlets().end(),
                                  [&](const auto& entry) { return entry.second.get() == &link; });
  if (asked == outlets().end()) return;
  // The link may be dropped before the answer.
  management_.ask(path, [this, key = asked->first](const QueueFacts& facts) {
    const auto found = outlets().find(key);
    if (found != outlets().end()) link_in(*found).queue_known(facts);
  });
}

void Lane::link_attached(Link& link) {
  if (!probing()) reached();
  host().info("attached to the target", {{"address", link.name()}, {"promises", link.promises()}});
  if (probing()) probe_timer_ = host().timer(kCreditPatience, [this] { probe_attached(); });
}

// Where no other link works it may be the connection, or this broker.
void Lane::attach_unanswered() {
  const bool works = std::any_of(outlets().begin(), outlets().end(),
                                 [](const auto& entry) { return link_in(entry).attached(); });
  if (!works) give_up("no answer to an attach");
}

void Lane::probe_attached() {
  const auto& link = static_cast<const Link&>(*only());
  std::string text = link.promises();
  if (link.credit() == 0)
    text += "; warning: the broker grants no credit, so nothing can be sent now";
  probe_passed(link, text);
}

}  // namespace lsmtpd::amqp
