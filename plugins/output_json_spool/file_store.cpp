// SPDX-License-Identifier: Apache-2.0
#include "file_store.hpp"

#include <cjson/cJSON.h>

#include <algorithm>
#include <cerrno>
#include <tuple>

#include "archive.hpp"
#include "encoded_words.hpp"
#include "file_names.hpp"
#include "stored_header.hpp"

namespace lsmtpd::json_spool {

const char* name_of(State state) {
  switch (state) {
    case State::waiting:
      return "waiting";
    case State::dead:
      return "dead";
    case State::quarantine:
      return "quarantine";
  }
  return "";
}

// Where a copy stands in the order of each().
struct FileStore::Place {
  std::int64_t time_ns = 0;
  CopyKey key;

  bool operator<(const Place& other) const {
    return std::tie(time_ns, key.id, key.state) <
           std::tie(other.time_ns, other.key.id, other.key.state);
  }
};

int FileStore::folder(State state) const {
  switch (state) {
    case State::waiting:
      return directory_.messages();
    case State::dead:
      return directory_.dead();
    case State::quarantine:
      return directory_.quarantine();
  }
  return -1;
}

mail_json::Result<void> FileStore::each(States states, Order order, const Visit& visit) {
  return order == Order::none ? each_name(states, visit) : each_in_order(states, visit);
}

mail_json::Result<void> FileStore::each_name(States states, const Visit& visit) {
  for (const State state : kStates) {
    if (!states.has(state) || folder(state) < 0) continue;
    const auto listing = files_.list(folder(state));
    if (!listing)
      return tl::make_unexpected("cannot read the directory of " + std::string(name_of(state)));
    std::string name;
    while (listing->next(name)) {
      auto id = id_of(name);
      if (id && !visit({state, std::move(*id)})) return {};
    }
  }
  return {};
}

// Reads all names for each window: memory is bounded for a spool of any size.
mail_json::Result<void> FileStore::each_in_order(States states, const Visit& visit) {
  std::optional<Place> last;
  for (bool all = false; !all;) {
    all = true;
    std::vector<Place> window;
    const auto listed = each_name(states, [&](const CopyKey& key) {
      FileInfo info;  // of one that has vanished: the visitor finds out
      files_.info_in(folder(key.state), file_name(key.id).c_str(), info);
      Place place{info.changed_ns, key};
      if (last && !(*last < place)) return true;
      window.push_back(std::move(place));
      std::push_heap(window.begin(), window.end());
      if (window.size() <= window_) return true;
      std::pop_heap(window.begin(), window.end());
      window.pop_back();
      all = false;
      return true;
    });
    if (!listed) return listed;
    std::sort_heap(window.begin(), window.end());
    for (const Place& place : window) {
      if (!visit(place.key)) return {};
    }
    if (!window.empty()) last = std::move(window.back());
  }
  return {};
}

std::uint64_t FileStore::count(State state) {
  std::uint64_t count = 0;
  const States only{state == State::waiting, state == State::dead, state == State::quarantine};
  const auto done = each_name(only, [&](const CopyKey&) { return ++count > 0; });
  return done ? count : 0;
}

bool FileStore::has(const CopyKey& key) {
  FileInfo info;
  return folder(key.state) >= 0 &&
         files_.info_in(folder(key.state), file_name(key.id).c_str(), info) >= 0;
}

bool FileStore::is_named_since(const CopyKey& key, std::int64_t time_ns) const {
  FileInfo info;
  return folder(key.state) >= 0 &&
         files_.info_in(folder(key.state), file_name(key.id).c_str(), info) >= 0 &&
         info.named_ns >= time_ns;
}

std::optional<Entry> FileStore::read(const CopyKey& key, Detail detail) {
  if (folder(key.state) < 0) return std::nullopt;
  const int fd = files_.open_existing(folder(key.state), file_name(key.id).c_str());
  if (fd == -ENOENT) return std::nullopt;
  Entry entry;
  entry.id = key.id;
  entry.state = key.state;
  const File file(files_, fd);
  FileInfo info;
  if (fd < 0 || files_.info(fd, info) < 0 || !info.regular) {
    entry.problem = fd < 0 ? error_text(fd) : "it is no regular file";
    return entry;
  }
  entry.size = info.size;
  entry.stored_ns = entry.first_ns = info.changed_ns;
  FileInput input(files_, fd);
  mail_json::Reader reader(input);
  // In quarantine the content may be what is wrong.
  auto mail = key.state == State::quarantine ? reader.open() : reader.open_head();
  if (mail) {
    entry.mail = std::move(*mail);
    const mail_json::Bookkeeping& book = entry.mail.bookkeeping;
    entry.first_ns = book.first_ns != 0 ? book.first_ns : entry.mail.time_ns;
    entry.attempts = book.attempts;
    entry.reason = book.reason;
    if (detail == Detail::header) {
      const std::string header = reader.beginning(kHeaderMax);
      entry.message_id = header_field(header, "Message-ID");
      entry.subject = decode_words(header_field(header, "Subject"));
    }
  } else {
    entry.problem = mail.error();
  }
  if (key.state == State::dead) {
    if (std::string reason = read_reason(key); !reason.empty()) entry.reason = std::move(reason);
  }
  return entry;
}

// The "reason" of a dead letter's sidecar, empty where there is none.
std::string FileStore::read_reason(const CopyKey& key) {
  const File file(files_, files_.open_existing(folder(key.state), reason_name(key.id).c_str()));
  if (!file) return {};
  std::string text(64 * 1024, '\0');
  const std::int64_t size = files_.read_at(file.get(), 0, text.data(), text.size());
  cJSON* json = cJSON_ParseWithLength(text.data(), static_cast<std::size_t>(size < 0 ? 0 : size));
  const cJSON* item = cJSON_GetObjectItemCaseSensitive(json, "reason");
  std::string reason = cJSON_IsString(item) ? item->valuestring : "";
  cJSON_Delete(json);
  return reason;
}

mail_json::Result<void> FileStore::content(const CopyKey& key,
                                           const mail_json::Reader::Sink& sink) {
  const int fd = files_.open_existing(folder(key.state), file_name(key.id).c_str());
  if (fd < 0) return tl::make_unexpected(error_text(fd));
  const File file(files_, fd);
  FileInput input(files_, fd);
  mail_json::Reader reader(input);
  const auto mail = reader.open();
  if (!mail) return tl::make_unexpected(mail.error());
  return reader.content(sink);
}

int FileStore::remove(const CopyKey& key) {
  const int error = files_.unlink(folder(key.state), file_name(key.id).c_str());
  if (error >= 0 && key.state == State::dead)
    files_.unlink(folder(key.state), reason_name(key.id).c_str());
  return error;
}

int FileStore::retry(const CopyKey& key) {
  const std::string name = file_name(key.id);
  const int error =
      files_.rename_new(folder(key.state), name.c_str(), directory_.messages(), name.c_str());
  if (error >= 0 && key.state == State::dead)
    files_.unlink(folder(key.state), reason_name(key.id).c_str());
  return error;
}

}  // namespace lsmtpd::json_spool
