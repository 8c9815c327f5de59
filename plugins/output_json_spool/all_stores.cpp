// SPDX-License-Identifier: Apache-2.0
#include "all_stores.hpp"

#include <cerrno>

namespace lsmtpd::json_spool {
namespace {

// The disk's clock may be another one than ours.
constexpr std::int64_t kClocks = 10'000'000'000;

constexpr std::size_t kMostSeen = 64 * 1024;  // more may be shown twice

std::string name_in(State state, const std::string& id) {
  return std::string(name_of(state)) + "/" + id;
}

}  // namespace

mail_json::Result<std::unique_ptr<AllStores>> AllStores::open(Files& files,
                                                              const Directory& directory,
                                                              JournalEvents::Log log) {
  auto journal = JournalStore::open(files, directory, std::move(log));
  if (!journal) return tl::make_unexpected(journal.error());
  return std::unique_ptr<AllStores>(
      new AllStores(files, std::make_unique<FileStore>(files, directory), std::move(*journal)));
}

bool AllStores::journal_has(States states) const {
  if (journal_ == nullptr) return false;
  for (const State state : kStates)
    if (states.has(state) && journal_->count(state) > 0) return true;
  return false;
}

// The journal was read before the files are listed. So a copy that went over since is in both, or
// only in the journal as it was read; where its record has gone by now, its file is young.
mail_json::Result<void> AllStores::each(States states, Order order, const Visit& visit) {
  if (!journal_ || !journal_has(states)) return files_->each(states, order, visit);
  bool more = true;
  const std::int64_t began_ns = disk_.stamp_ns() - kClocks;
  std::unordered_set<std::string> seen;  // in files that are as young, or in the journal too
  const auto noted = [&](const CopyKey& key) {
    if (seen.size() < kMostSeen && (in_journal(key) || files_->is_named_since(key, began_ns)))
      seen.insert(name_in(key.state, key.id));
    return more = visit(key);
  };
  if (auto done = files_->each(states, order, noted); !done || !more) return done;
  auto done = journal_->each(states, order, [&](const CopyKey& key) {
    const std::string name = name_in(key.state, key.id);
    if (seen.contains(name)) return true;
    if (seen.size() < kMostSeen) seen.insert(name);
    return more = visit(key);
  });
  if (!done || !more || !journal_->missed()) return done;
  return each_missed(states, began_ns, seen, visit);
}

mail_json::Result<void> AllStores::each_missed(States states, std::int64_t began_ns,
                                               const std::unordered_set<std::string>& seen,
                                               const Visit& visit) {
  return files_->each(states, Order::none, [&](const CopyKey& key) {
    if (seen.contains(name_in(key.state, key.id)) || !files_->is_named_since(key, began_ns))
      return true;
    return visit(key);
  });
}

std::uint64_t AllStores::count(State state) {
  return files_->count(state) + (journal_ ? journal_->count(state) : 0);
}

std::optional<Entry> AllStores::read(const CopyKey& key, Detail detail) {
  if (in_journal(key))
    if (auto entry = journal_->read(key, detail)) return entry;
  return files_->read(key, detail);
}

mail_json::Result<void> AllStores::content(const CopyKey& key,
                                           const mail_json::Reader::Sink& sink) {
  if (!in_journal(key)) return files_->content(key, sink);
  bool any = false;
  const auto done = journal_->content(key, [&](std::string_view piece) {
    any = true;
    return sink(piece);
  });
  return done || any || !files_->has(key) ? done : files_->content(key, sink);
}

// The journal's copy, which a daemon may have put into its file by now, and an older one in a file.
int AllStores::remove(const CopyKey& key) {
  if (!in_journal(key)) return files_->remove(key);
  const int error = journal_->remove(key);
  if (error < 0 && error != -ENOENT) return error;
  const int file = files_->remove(key);
  return file == -ENOENT ? error : file;
}

int AllStores::retry(const CopyKey& key) {
  const CopyKey waiting{State::waiting, key.id};
  if (in_journal(waiting) || files_->has(waiting)) return -EEXIST;
  return in_journal(key) ? journal_->retry(key) : files_->retry(key);
}

}  // namespace lsmtpd::json_spool
