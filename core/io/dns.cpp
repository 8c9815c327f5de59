// SPDX-License-Identifier: Apache-2.0
#include "io/dns.hpp"

#include <algorithm>
#include <deque>
#include <optional>
#include <unordered_map>

#include "io/dns_channel.hpp"
#include "io/loop.hpp"

namespace lsmtpd::io {

namespace {

constexpr uint64_t kServersAge = 60'000;  // ms

bool is_server_failure(uint32_t rcode) {
  return rcode == 2 || rcode == 4 || rcode == 5;  // SERVFAIL, NOTIMP, REFUSED
}

}  // namespace

struct DnsResolver::Impl : std::enable_shared_from_this<DnsResolver::Impl> {
  // Lives until c-ares is done with it. `done` is empty once it is answered or cancelled.
  struct Question {
    Question(Impl& of, Loop& loop) : impl(of), deadline(loop, [this] { impl.overdue(*this); }) {}
    Impl& impl;
    uint64_t id = 0;
    std::string name;
    DnsType type = {};
    Done done;
    size_t tried = 1;  // channels
    Timer deadline;
  };
  struct Ready {
    uint64_t id;
    Done done;
    DnsAnswer answer;
  };

  Impl(Loop& on, std::vector<std::string> given, Limit& at_most)
      : loop(on), servers(std::move(given)), limit(at_most), tick(on, [this] { time_passed(); }) {}

  bool open();
  void ask(Question& question, DnsChannel& channel);
  void answered(Question& question, int status, std::string_view message);
  void overdue(Question& question);
  void make_ready(Question& question, DnsAnswer answer);
  void deliver();
  void time_passed();
  void set_tick();

  Loop& loop;
  const std::vector<std::string> servers;
  Limit& limit;
  uint64_t next_id = 1, opened_ms = 0;
  size_t held = 0;  // questions that c-ares has
  bool closed = false, deferred = false;
  std::unordered_map<uint64_t, Question*> waiting;
  std::deque<Ready> ready;
  Timer tick;
  // One for each server to begin with: c-ares goes from one to the next where none answers, and
  // this class where one answers that it cannot.
  std::vector<std::unique_ptr<DnsChannel>> channels;
};

namespace {

std::string rotated(const std::vector<std::string>& servers, size_t first) {
  std::string csv;
  for (size_t i = 0; i < servers.size(); ++i)
    csv += (i ? "," : "") + servers[(first + i) % servers.size()];
  return csv;
}

}  // namespace

// False: there is no memory, or c-ares cannot begin.
bool DnsResolver::Impl::open() {
  const bool stale = servers.empty() && loop.now_ms() - opened_ms > kServersAge;
  if (!channels.empty() && !(held == 0 && stale)) return true;
  channels.clear();
  opened_ms = loop.now_ms();
  const auto acted = [this] { set_tick(); };
  auto first = std::make_unique<DnsChannel>(loop, rotated(servers, 0), acted);
  if (!first->ok()) return false;
  const auto list = servers.empty() ? first->servers() : servers;
  channels.push_back(std::move(first));
  for (size_t i = 1; i < list.size(); ++i) {
    auto next = std::make_unique<DnsChannel>(loop, rotated(list, i), acted);
    if (next->ok()) channels.push_back(std::move(next));
  }
  return true;
}

void DnsResolver::Impl::ask(Question& question, DnsChannel& channel) {
  const auto answer = [](void* self, int status, std::string_view message) {
    auto& asked = *static_cast<Question*>(self);
    asked.impl.answered(asked, status, message);
  };
  channel.ask(question.name, question.type, answer, &question);
}

void DnsResolver::Impl::answered(Question& question, int status, std::string_view message) {
  DnsAnswer answer;
  if (question.done && !closed) {
    auto parsed = message.empty() ? Result<DnsAnswer>(fail("{}", DnsChannel::reason(status)))
                                  : parse_dns_answer(message, question.name, question.type);
    if (!parsed && message.empty() && DnsChannel::is_timeout(status)) {
      answer.status = DnsAnswer::Status::timeout;
      answer.error = "no server answered in time";
    } else if (!parsed) {
      answer.error = parsed.error().message;
    } else {
      answer = std::move(*parsed);
    }
    const bool failed = answer.status == DnsAnswer::Status::answered &&
                        is_server_failure(answer.rcode) && question.tried < channels.size();
    if (failed) return ask(question, *channels[question.tried++]);
    make_ready(question, std::move(answer));
  }
  delete &question;
  --held;
  --limit.under_way;
}

void DnsResolver::Impl::overdue(Question& question) {
  DnsAnswer answer;
  answer.status = DnsAnswer::Status::timeout;
  answer.error = "no server answered in time";
  if (question.done) make_ready(question, std::move(answer));
}

// Answers are handed on at the end of the turn: c-ares must not be called, or destroyed, from
// inside itself.
void DnsResolver::Impl::make_ready(Question& question, DnsAnswer answer) {
  waiting.erase(question.id);
  ready.push_back({question.id, std::exchange(question.done, nullptr), std::move(answer)});
  question.deadline.stop();
  if (std::exchange(deferred, true)) return;
  loop.defer([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->deliver();
  });
}

void DnsResolver::Impl::deliver() {
  deferred = false;
  while (!closed && !ready.empty()) {
    const Ready next = std::move(ready.front());
    ready.pop_front();
    next.done(next.answer);
  }
}

void DnsResolver::Impl::time_passed() {
  for (const auto& channel : channels) channel->time_passed();
  set_tick();
}

void DnsResolver::Impl::set_tick() {
  std::optional<uint64_t> least;
  for (const auto& channel : channels) {
    if (const auto ms = channel->until_timeout()) least = std::min(least.value_or(*ms), *ms);
  }
  if (least) {
    tick.start(*least);
  } else {
    tick.stop();
  }
}

DnsResolver::DnsResolver(Loop& loop, std::vector<std::string> servers, Limit& limit)
    : impl_(std::make_shared<Impl>(loop, std::move(servers), limit)) {}

DnsResolver::~DnsResolver() {
  impl_->closed = true;
  impl_->ready.clear();
  impl_->waiting.clear();
  impl_->channels.clear();  // calls back for each question that c-ares has
  impl_->tick.stop();
}

uint64_t DnsResolver::query(std::string_view name, DnsType type, uint64_t deadline_ms, Done done) {
  Impl& impl = *impl_;
  if (!is_domain_name(name)) return 0;
  if (impl.limit.under_way.fetch_add(1) >= impl.limit.most || !impl.open()) {
    --impl.limit.under_way;
    return 0;
  }
  auto question = std::make_unique<Impl::Question>(impl, impl.loop);
  const uint64_t id = impl.next_id++;
  question->id = id;
  question->name = name;
  question->type = type;
  question->done = std::move(done);
  if (deadline_ms != 0) question->deadline.start(deadline_ms);
  impl.waiting.emplace(id, question.get());
  ++impl.held;
  impl.ask(*question.release(), *impl.channels.front());
  impl.set_tick();
  return id;
}

void DnsResolver::cancel(uint64_t query) {
  Impl& impl = *impl_;
  if (const auto found = impl.waiting.find(query); found != impl.waiting.end()) {
    found->second->done = nullptr;
    found->second->deadline.stop();
    impl.waiting.erase(found);
    return;
  }
  std::erase_if(impl.ready, [query](const Impl::Ready& one) { return one.id == query; });
}

size_t DnsResolver::open() const {
  return impl_->waiting.size() + impl_->ready.size();
}

}  // namespace lsmtpd::io
