// SPDX-License-Identifier: Apache-2.0
#include "journal_setup.hpp"

#include <cerrno>

#include "file_names.hpp"

namespace lsmtpd::json_spool {
namespace {

constexpr const char* kFolder = "journal";

bool has_messages(Files& files, int directory) {
  const auto listing = files.list(directory);
  std::string name;
  while (listing && listing->next(name))
    if (id_of(name)) return true;
  return false;
}

}  // namespace

mail_json::Result<std::unique_ptr<JournalSetup>> JournalSetup::open(Files& files,
                                                                    const Directory& directory,
                                                                    const Settings& settings,
                                                                    JournalEvents::Log log) {
  const auto problem = [&](const char* what, std::int64_t error) {
    return tl::make_unexpected(std::string(what) + directory.path() + "/" + kFolder + ": " +
                               error_text(error));
  };
  const int made = files.make_directory_in(directory.messages(), kFolder);
  if (made < 0 && made != -EEXIST) return problem("cannot make ", made);
  if (const int synced = files.make_names_durable(directory.messages()); synced < 0)
    return problem("cannot sync the directory of ", synced);
  File folder(files, files.open_directory_in(directory.messages(), kFolder));
  if (!folder) return problem("cannot open ", folder.get());

  std::unique_ptr<JournalSetup> setup(new JournalSetup(files, directory, std::move(log)));
  setup->folder_ = std::move(folder);
  journal::JournalSettings own;
  own.recycle = settings.recycle;
  own.body_threads = settings.threads;
  auto opened = journal::Journal::open(files, setup->folder_.get(), own, setup->events_);
  if (!opened) return tl::make_unexpected(directory.path() + "/journal: " + opened.error());
  setup->journal_ = std::move(*opened);
  setup->journal_->set_min_free(settings.min_free);
  setup->archive_ = std::make_unique<JournalArchive>(*setup->journal_);
  return setup;
}

void JournalSetup::serve(Capacity& capacity, Archive& file_archive, Keeper& keeper, Filer* filer) {
  capacity.saw_journal(journal_->copies().totals());
  const std::string where =
      directory_.path() + (filer == nullptr ? std::string("/") + kFolder : "");
  target_.reset(new JournalTarget{*journal_, files_, capacity, where, filer != nullptr, nullptr});
  if (filer != nullptr) {
    target_->stored = [filer](const std::string&, const journal::Key& key) { filer->add(key); };
  } else if (has_messages(files_, directory_.messages())) {
    target_->stored = [&file_archive, &keeper](const std::string& id, const journal::Key&) {
      keeper.run([&file_archive, id] { file_archive.forget(id); });
    };
  }
  changes_ = std::make_unique<ChangeServer>(files_, directory_, *journal_, filer);
  if (const int error = changes_->start(); error < 0) events_.no_socket(error);
}

void JournalSetup::end() {
  changes_.reset();
  journal_->end();
}

}  // namespace lsmtpd::json_spool
