// SPDX-License-Identifier: Apache-2.0
#include "export_folder.hpp"

#include <algorithm>
#include <cerrno>

namespace lsmtpd::json_spool {
namespace {

std::string name_of(const CopyKey& key) {
  return key.id + ".eml";
}

std::string temporary_of(const CopyKey& key) {
  return "." + name_of(key) + ".part";
}

// 0, or an error.
std::int64_t write_whole(Files& files, int fd, std::string_view piece) {
  while (!piece.empty()) {
    const std::int64_t count = files.write(fd, piece.data(), piece.size());
    if (count <= 0) return count < 0 ? count : -EIO;
    piece.remove_prefix(static_cast<std::size_t>(count));
  }
  return 0;
}

}  // namespace

std::string export_file(Files& files, Store& store, const CopyKey& key, int directory,
                        const std::string& name) {
  File file(files, files.open_new(directory, name.c_str()));
  if (!file) return "cannot make the file: " + error_text(file.get());
  std::int64_t failed = 0;
  const auto written = store.content(key, [&](std::string_view piece) {
    failed = write_whole(files, file.get(), piece);
    return failed == 0;
  });
  std::string problem = written ? "" : written.error();
  if (failed < 0) problem = "cannot write the file: " + error_text(failed);
  const int synced = written ? files.sync_data(file.get()) : 0;
  if (synced < 0) problem = "cannot fsync the file: " + error_text(synced);
  const int closed = file.close();
  if (closed < 0 && problem.empty()) problem = "cannot close the file: " + error_text(closed);
  if (!problem.empty()) files.unlink(directory, name.c_str());
  return problem;
}

std::string ExportFolder::open(const std::string& path) {
  const int made = files_.make_directory(path);
  if (made < 0 && made != -EEXIST) return "cannot make " + path + ": " + error_text(made);
  folder_ = File(files_, files_.open_directory(path));
  return folder_ ? "" : "cannot open the directory " + path + ": " + error_text(folder_.get());
}

bool ExportFolder::is_in_batch(const CopyKey& key) const {
  return std::any_of(batch_.begin(), batch_.end(),
                     [&](const Piece& piece) { return piece.key.id == key.id; });
}

void ExportFolder::add(Store& store, const CopyKey& key) {
  FileInfo there;
  if (is_in_batch(key) || files_.info_in(folder_.get(), name_of(key).c_str(), there) >= 0)
    return told_(key, Done::was_there, "");
  batch_.push_back(stage(store, key));
  if (batch_.size() >= kBatch || batch_bytes_ >= kBatchBytes) finish();
}

ExportFolder::Piece ExportFolder::stage(Store& store, const CopyKey& key) {
  Piece piece;
  piece.key = key;
  const std::string temporary = temporary_of(key);
  files_.unlink(folder_.get(), temporary.c_str());  // of a run that was interrupted
  piece.file = File(files_, files_.open_new(folder_.get(), temporary.c_str()));
  if (!piece.file) {
    piece.problem = "cannot make a file: " + error_text(piece.file.get());
    return piece;
  }
  std::int64_t failed = 0;
  const auto done = store.content(key, [&](std::string_view text) {
    batch_bytes_ += text.size();
    failed = write_whole(files_, piece.file.get(), text);
    return failed == 0;
  });
  if (!done) piece.problem = done.error();
  if (failed < 0) piece.problem = "cannot write the file: " + error_text(failed);
  files_.start_writeback(piece.file.get());
  return piece;
}

void ExportFolder::publish(Piece& piece) {
  if (!piece.file) return;
  const std::string temporary = temporary_of(piece.key);
  if (piece.problem.empty()) {
    const int synced = files_.sync_data(piece.file.get());
    if (synced < 0) piece.problem = "cannot fsync the file: " + error_text(synced);
  }
  const int closed = piece.file.close();
  if (closed < 0 && piece.problem.empty())
    piece.problem = "cannot close the file: " + error_text(closed);
  if (piece.problem.empty()) {
    const int error = files_.rename_new(folder_.get(), temporary.c_str(), folder_.get(),
                                        name_of(piece.key).c_str());
    if (error >= 0) return;
    piece.problem = error_text(error);
  }
  files_.unlink(folder_.get(), temporary.c_str());
}

void ExportFolder::finish() {
  for (Piece& piece : batch_) publish(piece);
  const int synced = batch_.empty() ? 0 : files_.make_names_durable(folder_.get());
  for (Piece& piece : batch_) {
    if (piece.problem.empty() && synced < 0)
      piece.problem = "cannot fsync the directory: " + error_text(synced);
    told_(piece.key, piece.problem.empty() ? Done::written : Done::failed, piece.problem);
  }
  batch_.clear();
  batch_bytes_ = 0;
}

}  // namespace lsmtpd::json_spool
