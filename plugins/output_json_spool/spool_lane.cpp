// SPDX-License-Identifier: Apache-2.0
#include "spool_lane.hpp"

#include <cerrno>
#include <exception>
#include <memory>
#include <optional>
#include <string>

#include "file_names.hpp"
#include "test_hooks.hpp"

namespace lsmtpd::json_spool {
namespace {

void load_now(ReplayCopies& copies, const sdk::LaneHost& host, sdk::Call& call,
              const std::string& id) {
  const auto make = [&](const mail_json::StoredMail& mail, const Archive::Body& body) {
    const mail_json::EnvelopeView envelope(mail);
    sdk::Making message = host.make_message(envelope.get());
    if (!message) return Archive::Loaded::tempfail;
    for (const auto& [key, value] : mail.bookkeeping.annotations) {
      if (!message.annotate(key, value)) return Archive::Loaded::tempfail;
    }
    bool taken = true;
    const auto done = body([&](std::string_view piece) {
      taken = message.append(piece);
      return taken;
    });
    if (!done) return taken ? Archive::Loaded::broken : Archive::Loaded::tempfail;
    const mail_json::Bookkeeping& book = mail.bookkeeping;
    host.loaded(std::move(call), std::move(message),
                {book.target, book.reason, book.attempts, book.in_doubt});
    return Archive::Loaded::yes;
  };
  switch (copies.load(id, make)) {
    case Archive::Loaded::yes:
      return;
    case Archive::Loaded::gone:
      return call.reject({}, 0, {}, "it is gone");
    case Archive::Loaded::broken:
      host.error("a file in the spool cannot be read and was put into quarantine",
                 {{"id", id}, {"error", copies.problem()}});
      return call.reject({}, 0, {}, copies.problem());
    case Archive::Loaded::tempfail:
      if (copies.problem().empty()) return call.tempfail({}, 0, {}, {});
      // Each such file, in each pass.
      if (const auto left_out = copies.unreadable().admit())
        host.warn("a file in the spool cannot be read now; it is tried again",
                  {{"id", id}, {"error", copies.problem()}, {"left_out", *left_out}});
      return call.tempfail({}, 0, {}, copies.problem());
  }
}

void answer(sdk::Call& call, int error) {
  if (error >= 0) return call.stored();
  call.tempfail({}, 0, {}, error_text(error));
}

// A count under way. Its ticket ends last.
struct Count {
  Tally::Ticket ticket;
  sdk::Call call;
  std::string target;
  std::uint64_t max;
  std::optional<ReplayCopies::Count> run;
  std::uint64_t found;
};

constexpr int kCountStep = 500;  // files

// In steps, between which the keeper does its other work.
void count_on(const sdk::LaneHost& host, const Shared& shared, std::shared_ptr<Count> count) {
  shared.keeper.run([host, shared, count = std::move(count)]() mutable {
    if (!count->run) count->run.emplace(shared.copies, count->target);
    bool more = true;
    for (int i = 0; i < kCountStep && more && count->found < count->max; ++i)
      more = count->run->next(count->found);
    if (!count->run->good())
      return count->call.tempfail({}, 0, {}, "the spool directory cannot be read");
    if (more && count->found < count->max) return count_on(host, shared, std::move(count));
    host.counted(std::move(count->call), count->found);
  });
}

// Answers once a crash does not bring it back.
void forget_in_journal(const Shared& shared, const std::string& id, Tally::Ticket& ticket,
                       sdk::Call& call) {
  journal::Journal& journal = shared.journal.journal;
  std::unique_ptr<journal::Append> told =
      std::make_unique<JournalForget>(shared.journal, std::move(ticket), std::move(call));
  if (!journal.remove(journal.copies().key_of(id, false), told)) told->answer(0);
}

// The copy may be on its way from the journal to its file, or an older one of it in a file.
void forget_both(const Shared& shared, const std::string& id, Tally::Ticket& ticket,
                 sdk::Call& call) {
  const journal::Key key = shared.journal.journal.copies().key_of(id, false);
  const Handover::Hold hold(shared.filer->handover(), key);
  const int error = shared.copies.forget_file(id);
  if (error < 0 || !shared.copies.in_journal(id)) return answer(call, error);
  forget_in_journal(shared, id, ticket, call);
}

void refuse(sdk::Call& call, std::int64_t error, const std::string& detail) {
  if (error == -ENOSPC || error == -EDQUOT)
    return call.tempfail("Insufficient system storage", 452, "4.3.1", detail);
  call.tempfail({}, 0, {}, detail);
}

}  // namespace

Lane::Lane(sdk::LaneHost host, Shared shared)
    : sdk::Lane(host), shared_(shared), tally_(host, [this] { (*closed_)(); }) {}

void Lane::close(sdk::Closed closed) {
  closed_.emplace(std::move(closed));
  tally_.close();
}

void Lane::deliver(sdk::Call call, sdk::Message message, sdk::Delivery delivery) {
  const std::string id = delivery.target.empty() ? output_id(delivery.copy_id, host().name())
                                                 : std::string(delivery.copy_id);
  if (!valid_id(id)) return call.tempfail({}, 0, {}, "the id is no file name");
  if (!shared_.capacity.in_place()) {
    return call.tempfail({}, 0, {}, shared_.capacity.reason());
  }
  if (!shared_.capacity.has_room(message.size())) {
    return call.tempfail("Insufficient system storage", 452, "4.3.1", "max_bytes is reached");
  }
  Purpose purpose{std::string(delivery.target), std::string(delivery.reason), delivery.attempts,
                  delivery.in_doubt};
  if (const std::int64_t error = shared_.filer != nullptr ? shared_.filer->refuses() : 0; error < 0)
    return refuse(call, error, "no files can be made: " + error_text(error));
  store(std::move(call), std::move(message), id, std::move(purpose));
}

void Lane::store(sdk::Call call, sdk::Message message, const std::string& id, Purpose purpose) {
  if (test_hook("LSMTPD_TEST_EARLY_250")) call.stored("before it is");
  std::unique_ptr<journal::MessageAppend> append = std::make_unique<JournalMessage>(
      shared_.journal, tally_.ticket(), std::move(call), std::move(message), id, purpose);
  const bool taken = shared_.filer != nullptr ? shared_.filer->pushback().submit(append)
                                              : shared_.journal.journal.submit(append);
  if (taken) return;
  sdk::Call refused = static_cast<JournalMessage&>(*append).take_call();
  refused.tempfail({}, 0, {}, "too many messages wait for the disk");
}

void Lane::cancel(lsmtpd_call call) {
  const auto wanted = [&](const journal::Append& append) {
    const auto* message = dynamic_cast<const JournalMessage*>(&append);
    return message != nullptr && message->is(tally_, call);
  };
  const auto taken = shared_.filer != nullptr ? shared_.filer->pushback().take_if(wanted)
                                              : shared_.journal.journal.take_if(wanted);
  if (!taken) return;
  sdk::Call cancelled = static_cast<JournalMessage&>(*taken).take_call();
  cancelled.tempfail({}, 0, {}, "cancelled before it was begun");
}

sdk::Capacity Lane::admission() {
  if (shared_.capacity.ready()) return {};
  reason_ = shared_.capacity.reason();
  return {false, 0, reason_};
}

// Runs work(call) on the keeper's thread; the lane stays open until it is done.
template <class Work>
void Lane::on_keeper(sdk::Call call, Work work) {
  struct Asked {
    Tally::Ticket ticket;
    sdk::Call call;
  };
  auto asked = std::make_shared<Asked>(Asked{tally_.ticket(), std::move(call)});
  shared_.keeper.run([asked = std::move(asked), work = std::move(work), host = host()]() mutable {
    try {
      work(host, asked->call);
    } catch (const std::exception& error) {
      asked->call.tempfail({}, 0, {}, error.what());
    }
    asked.reset();
  });
}

void Lane::list(sdk::Call call, bool restart, std::uint32_t max) {
  on_keeper(std::move(call),
            [shared = shared_, restart, max](const sdk::LaneHost& host, sdk::Call& asked) {
              shared.capacity.serve_as_fallback();
              const auto page = shared.copies.list(restart, max);
              if (!page) return asked.tempfail({}, 0, {}, "the spool directory cannot be read");
              std::vector<sdk::Copy> copies;
              for (const auto& copy : page->copies)
                copies.push_back({copy.id, copy.time_ns, copy.bytes, copy.in_doubt,
                                  shared.copies.is_expired(copy)});
              host.listed(std::move(asked), copies, page->end, page->waiting);
            });
}

void Lane::load(sdk::Call call, std::string_view copy_id) {
  if (!valid_id(copy_id)) return call.reject({}, 0, {}, "the copy_id is no file name");
  on_keeper(std::move(call), [shared = shared_, id = std::string(copy_id)](
                                 const sdk::LaneHost& host, sdk::Call& asked) {
    load_now(shared.copies, host, asked, id);
  });
}

// From the journal many are removed with one write: their answers come from its writer.
void Lane::forget(sdk::Call call, std::string_view copy_id) {
  if (!valid_id(copy_id)) return call.stored();
  struct Asked {
    Tally::Ticket ticket;
    sdk::Call call;
  };
  auto asked = std::make_shared<Asked>(Asked{tally_.ticket(), std::move(call)});
  shared_.keeper.run(
      [asked = std::move(asked), shared = shared_, id = std::string(copy_id)]() mutable {
        if (shared.filer == nullptr && shared.copies.in_journal(id))
          return forget_in_journal(shared, id, asked->ticket, asked->call);
        // It waits for the disk.
        shared.remover.run([asked = std::move(asked), shared, id]() mutable {
          if (shared.filer == nullptr) {
            answer(asked->call, shared.copies.forget_file(id));
          } else {
            forget_both(shared, id, asked->ticket, asked->call);
          }
          asked.reset();
        });
      });
}

void Lane::dead_letter(sdk::Call call, std::string_view copy_id, std::string_view reason) {
  if (!valid_id(copy_id)) return call.stored();
  on_keeper(std::move(call),
            [shared = shared_, id = std::string(copy_id), why = std::string(reason)](
                const sdk::LaneHost& host, sdk::Call& asked) {
              const int error = shared.copies.dead_letter(id, why);
              if (error >= 0) {
                host.info("a message was put to the dead letters", {{"id", id}, {"reason", why}});
              }
              answer(asked, error);
            });
}

void Lane::count(sdk::Call call, std::string_view target, std::uint64_t max) {
  count_on(host(), shared_,
           std::make_shared<Count>(
               Count{tally_.ticket(), std::move(call), std::string(target), max, std::nullopt, 0}));
}

}  // namespace lsmtpd::json_spool
