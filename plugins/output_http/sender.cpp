// SPDX-License-Identifier: Apache-2.0
#include "sender.hpp"

#include <ctime>
#include <exception>
#include <vector>

#include "answer_outcome.hpp"

namespace lsmtpd::output_http {

namespace {

// An easy handle with its buffers and a connection with TLS, by libcurl's and OpenSSL's sizes.
constexpr std::uint64_t kRequestMemory = 64 << 10;
constexpr std::size_t kPiece = 64 * 1024;

std::uint64_t unix_time() {
  return static_cast<std::uint64_t>(std::time(nullptr));
}

// A source of the part's bytes, each time. The message outlives it.
SignedSource::MakeSource maker(const sdk::LaneHost& host, const Options& options,
                               const sink::Part& part, const sdk::Message& message) {
  return [table = host.message_table(), &options, &message, recipients = part.recipients] {
    return std::make_unique<sink::BodySource>(table, message, options.format, options.extra,
                                              recipients);
  };
}

}  // namespace

Sender::Sender(const sdk::LaneHost& host, sink::Outlet::Owner& lane, Events& events, Shared& shared)
    : sink::Outlet(host, lane),
      options_(shared.options),
      secrets_(shared.secrets),
      events_(events),
      user_agent_("lsmtpd/" + std::string(host.version())),
      multi_(
          host, [this](CURL* easy, CURLcode result) { finished(easy, result); },
          static_cast<long>(shared.options.connections)) {}

Sender::~Sender() {
  for (const auto& [easy, request] : requests_) multi_.remove(easy);
}

// Of a large message: it is signed while it is measured, on the pool.
std::unique_ptr<sink::Source> Sender::source(const sink::Part& part,
                                             const sdk::Message& message) const {
  return std::make_unique<SignedSource>(maker(host_, options_, part, message),
                                        secrets_.current(host_)->keys, part.copy_id, unix_time());
}

bool Sender::feed() {
  for (const auto& [easy, request] : requests_)
    if (request->produced != nullptr && request->produced->go_on()) multi_.resume(easy);
  bool fed = false;
  while (requests_.size() < options_.connections && events_.admit()) {
    sdk::Reservation memory = host_.reserve(kRequestMemory);
    const bool wait = !memory && !requests_.empty();
    const auto room = static_cast<std::uint32_t>(options_.connections - requests_.size());
    sink::Part* part = wait ? nullptr : choose(room);
    if (part == nullptr) {
      events_.not_begun();
      break;
    }
    if (begin(part, std::move(memory))) {
      fed = true;
    } else {
      events_.not_begun();
    }
  }
  return fed;
}

// False: the part is done.
bool Sender::begin(sink::Part* part, sdk::Reservation memory) {
  sink::Outcome outcome;
  try {
    if (start(part, std::move(memory), &outcome)) return true;
  } catch (const std::exception& error) {  // libcurl or OpenSSL has no memory
    outcome = not_sent(error.what());
  }
  lane_.part_done(*part, std::move(outcome));
  return false;
}

// False: `outcome` says why not.
bool Sender::start(sink::Part* part, sdk::Reservation memory, sink::Outcome* outcome) {
  const auto fail = [outcome](sink::Outcome why) {
    *outcome = std::move(why);
    return false;
  };
  if (!memory) return fail(not_sent("no memory left in the budget"));
  Signature signature;
  std::unique_ptr<RequestBody> body = body_of(*part, &signature);
  if (body == nullptr) return fail(not_sent("the content could not be read"));
  const std::uint64_t size = body->size();
  if (options_.max_message != 0 && size > options_.max_message)
    return fail(too_large(size, options_.max_message));
  auto request =
      std::make_unique<Request>(part, options_, std::move(body), std::move(memory), user_agent_);
  request->fill(options_, *secrets_.current(host_), signature);
  CURL* const easy = request->exchange.easy();
  if (!multi_.add(easy)) return fail(not_sent("libcurl takes no more requests"));
  requests_.emplace(easy, std::move(request));
  part->phase = sink::Part::Phase::sent;
  part->bytes = size;
  lane_.part_sent(*part);
  return true;
}

std::unique_ptr<RequestBody> Sender::body_of(const sink::Part& part, Signature* signature) {
  if (part.producer == nullptr) return small_body(part, signature);
  const std::shared_ptr<sink::Producer> producer = part.producer;
  if (producer->failed()) return nullptr;
  *signature = static_cast<const SignedSource&>(producer->source()).signature();
  // The bytes are the same at a second time, and so is their signature.
  auto again = [this, message = producer->message(), first = &part] {
    auto made = std::make_shared<sink::Producer>(host_, message, [this] { lane_.wake(); });
    made->prepare(std::make_unique<SignedSource>(maker(host_, options_, *first, made->message()),
                                                 std::vector<Key>(), "", 0));
    return made;
  };
  return std::make_unique<ProducedBody>(producer, std::move(again));
}

std::unique_ptr<RequestBody> Sender::small_body(const sink::Part& part, Signature* signature) {
  const auto source = maker(host_, options_, part, part.job->message)();
  if (!source->prepare()) return nullptr;
  std::string bytes;
  bytes.reserve(static_cast<std::size_t>(source->size()));
  std::string piece(kPiece, '\0');
  for (std::int64_t got = 0; (got = source->produce(piece.data(), piece.size())) > 0;)
    bytes.append(piece, 0, static_cast<std::size_t>(got));
  if (bytes.size() != source->size()) return nullptr;
  const auto secrets = secrets_.current(host_);
  if (!secrets->keys.empty()) {
    signature->timestamp = unix_time();
    Signer signer(secrets->keys, part.copy_id, signature->timestamp);
    signer.add(bytes);
    signature->text = signer.signature();
  }
  return std::make_unique<MemoryBody>(std::move(bytes));
}

void Sender::finished(CURL* easy, CURLcode result) {
  const auto found = requests_.find(easy);
  if (found == requests_.end()) return;
  const std::unique_ptr<Request> request = std::move(found->second);
  requests_.erase(found);
  multi_.remove(easy);
  events_.request_done(*request, result);
}

void Sender::connection_lost(std::string_view why) {
  abort([](const Request&) { return true; }, why);
}

void Sender::abort(const std::function<bool(const Request&)>& chosen, std::string_view why) {
  std::vector<CURL*> ended;
  for (const auto& [easy, request] : requests_)
    if (chosen(*request)) ended.push_back(easy);
  for (CURL* easy : ended) {
    requests_.at(easy)->given_up = why;
    finished(easy, CURLE_ABORTED_BY_CALLBACK);
  }
}

}  // namespace lsmtpd::output_http
