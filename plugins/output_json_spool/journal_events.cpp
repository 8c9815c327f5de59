// SPDX-License-Identifier: Apache-2.0
#include "journal_events.hpp"

#include <cerrno>
#include <memory>

namespace lsmtpd::json_spool {
namespace {

constexpr std::size_t kPiece = 64 * 1024;

bool is_shortage(std::int64_t error) {
  for (const int passing : {ENOSPC, EDQUOT, EFBIG, EMFILE, ENFILE, ENOMEM, ECANCELED})
    if (error == -passing) return true;
  return false;
}

}  // namespace

std::string damaged_id(std::uint64_t segment, std::uint32_t position) {
  return "damaged-" + journal::hex_number(segment) + "-" + std::to_string(position);
}

void JournalEvents::failed(const journal::GroupWriter::Failure& failure) {
  const std::string what = failure.what;
  if (is_shortage(failure.error) && what.find("fsync") == std::string::npos) return;
  const auto left_out = alarms_.admit();
  if (!left_out) return;
  log_("the disk failed: the message was refused; check the disk and the directory",
       {{"directory", directory_.path()},
        {"what", what},
        {"error", error_text(failure.error)},
        {"left_out", *left_out}});
}

bool JournalEvents::damaged(journal::SegmentFiles& segments,
                            const journal::Recovery::Fault& fault) {
  const std::string id = damaged_id(fault.number, fault.from);
  const std::int64_t error = put_aside(segments, fault, id + kDamagedEnding);
  const char* const text =
      error < 0 ? "the journal is damaged, and the bytes cannot be put into quarantine: they stay"
                : "the journal is damaged: what cannot be read was put into quarantine";
  log_(text, {{"id", id},
              {"directory", directory_.path()},
              {"segment", journal::segment_name(fault.number)},
              {"position", fault.from},
              {"bytes", fault.to - fault.from},
              {"error", error < 0 ? error_text(error) : "its checksum is wrong"}});
  return error >= 0;
}

std::int64_t JournalEvents::put_aside(journal::SegmentFiles& segments,
                                      const journal::Recovery::Fault& fault,
                                      const std::string& name) {
  const File source(files_, segments.open(fault.number));
  if (!source) return source.get();
  const File file(files_, files_.open_new(directory_.quarantine(), name.c_str()));
  if (file.get() == -EEXIST) return 0;
  if (!file) return file.get();
  const auto piece = std::make_unique_for_overwrite<char[]>(kPiece);
  std::int64_t error = 0;
  for (std::uint64_t at = fault.from; at < fault.to && error >= 0;) {
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, fault.to - at));
    const std::int64_t got = files_.read_at(source.get(), at, piece.get(), wanted);
    if (got <= 0) {
      error = got;
      break;
    }
    const std::string_view bytes(piece.get(), static_cast<std::size_t>(got));
    error = journal::write_all(files_, file.get(), at - fault.from, bytes);
    at += bytes.size();
  }
  if (error >= 0) error = files_.sync_data(file.get());
  if (error >= 0) error = files_.make_names_durable(directory_.quarantine());
  if (error < 0) files_.unlink(directory_.quarantine(), name.c_str());
  return error;
}

void JournalEvents::segment_damaged(const std::string& name) {
  log_("a segment of the journal has no readable header: it is left aside, with the mail in it",
       {{"directory", directory_.path()}, {"file", "journal/" + name}});
}

void JournalEvents::no_socket(std::int64_t error) const {
  log_("no socket for lsmtpd spool: messages in the journal cannot be changed while lsmtpd runs",
       {{"directory", directory_.path()}, {"error", error_text(error)}});
}

void JournalEvents::segment_unreadable(const std::string& name) {
  log_("a segment of the journal cannot be read: its mail waits until a start that can",
       {{"directory", directory_.path()}, {"file", "journal/" + name}});
}

}  // namespace lsmtpd::json_spool
