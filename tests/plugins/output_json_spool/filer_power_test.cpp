// SPDX-License-Identifier: Apache-2.0
// The power goes at any operation of the journal and of the Filer, and comes back: each message
// that was acknowledged has its file then, whole, and no file is torn. Without one of the flushes
// the same test must fail.
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <sstream>

#include "filer.hpp"
#include "journal/cut_files.hpp"
#include "journal/journal_fixture.hpp"
#include "journal_events.hpp"

namespace lsmtpd::json_spool::testing {
namespace {

namespace fs = std::filesystem;

std::string envelope_of(const std::string& id) {
  return R"({"timestamp":"2026-11-22T01:38:39Z","message_id":")" + id +
         R"(","client_address":"c","recipients":["<r@example.org>"],"sender":"s@example.org",)" +
         R"("lsmtpd":{"format":1,"copy_id":")" + id + R"("}})";
}

class Mail : public journal::MessageAppend {
 public:
  Mail(const journal::Journal& journal, Filer& filer, const std::string& id, std::string text,
       std::promise<std::int64_t> answer)
      : filer_(filer), text_(std::move(text)), answer_(std::move(answer)) {
    journal::NewCopy copy;
    copy.id = id;
    copy.meta = envelope_of(id);
    copy.content_size = text_.size();
    copy.time_ns = std::chrono::system_clock::now().time_since_epoch().count();
    prepare(std::move(copy), journal.copies().key_of(id, false));
  }
  bool content(const Sink& sink) override { return sink(text_); }

 protected:
  void answered(std::int64_t error) override {
    if (error == 0) filer_.add(*key());
    answer_.set_value(error);
  }

 private:
  Filer& filer_;
  const std::string text_;
  std::promise<std::int64_t> answer_;
};

class FilerPowerTest : public ::testing::Test {
 protected:
  // A spool that runs on the disk.
  struct Spool {
    Spool(Files& files, const std::string& path, const sdk::Host& host)
        : directory(Directory::open_for_daemon(files, path).value()),
          events(files, directory, [](const char*, JournalEvents::Fields) {}) {
      files.make_directory_in(directory.messages(), "journal");
      files.make_names_durable(directory.messages());
      folder = File(files, files.open_directory_in(directory.messages(), "journal"));
      journal::JournalSettings settings;
      settings.segment_size = 256 * 1024;
      log = journal::Journal::open(files, folder.get(), settings, events).value();
      filer = std::make_unique<Filer>(files, directory, *log, capacity, host, true);
      filer->start();
    }
    ~Spool() {
      filer->stop();
      log->end();
    }
    Directory directory;
    JournalEvents events;
    File folder;
    std::unique_ptr<journal::Journal> log;
    Capacity capacity{Settings()};
    std::unique_ptr<Filer> filer;
  };

  void SetUp() override {
    Faults::get().reset();
    std::string name = ::testing::TempDir() + "lsmtpd-filer-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    root_ = name;
    fs::create_directory(root_ / "graveyard");
    graveyard_ = ::open((root_ / "graveyard").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    disk_ = std::make_unique<journal::testing::CutFiles>(graveyard_);
    host_.get_extension = [](const lsmtpd_host*, const char*) -> const void* { return nullptr; };
  }
  void TearDown() override {
    spool_.reset();
    ::close(graveyard_);
    fs::remove_all(root_);
  }

  void open() {
    spool_ = std::make_unique<Spool>(*disk_, (root_ / "spool").string(), sdk::Host(&host_));
  }
  void settle() {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!spool_->filer->is_idle() && std::chrono::steady_clock::now() < end)
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    EXPECT_TRUE(spool_->filer->is_idle());
  }
  std::string content_of(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    const std::string json = text.str(), key = "\"email_content\":\"";
    const std::size_t at = json.find(key);
    if (at == std::string::npos || !json.ends_with("\"}")) return "torn";
    return json.substr(at + key.size(), json.size() - at - key.size() - 2);
  }
  std::map<std::string, std::string> files() {
    std::map<std::string, std::string> found;
    for (const auto& entry : fs::directory_iterator(root_ / "spool"))
      if (entry.path().extension() == ".json")
        found[entry.path().stem()] = content_of(entry.path());
    return found;
  }

  // Works until the power is gone, and brings it back.
  void cut(std::mt19937& chance) {
    disk_->cut_at(static_cast<int>(chance() % 250) + 1);
    while (!disk_->dead()) {
      std::vector<std::pair<std::string, std::future<std::int64_t>>> group;
      for (std::size_t i = chance() % 6 + 1; i > 0; --i) {
        const std::string id = "id-" + std::to_string(++number_);
        const std::size_t size = chance() % 40 == 0 ? 300'000 : chance() % 5000;
        texts_[id] = id + ":" + std::string(size, 'x');
        std::promise<std::int64_t> promise;
        group.emplace_back(id, promise.get_future());
        std::unique_ptr<journal::MessageAppend> mail = std::make_unique<Mail>(
            *spool_->log, *spool_->filer, id, texts_[id], std::move(promise));
        EXPECT_TRUE(spool_->log->submit(mail));
      }
      for (auto& [id, answer] : group)
        if (answer.get() == 0) durable_.insert(id);
      if (chance() % 3 == 0) take_one(chance);
    }
    spool_.reset();
    disk_->restore(chance);
    check_whole();
    open();
    settle();
  }
  // As an application does: it reads a file and removes it.
  void take_one(std::mt19937& chance) {
    auto found = files();
    if (found.empty() || disk_->dead()) return;
    const auto& [id, text] = *std::next(found.begin(), static_cast<long>(chance() % found.size()));
    EXPECT_EQ(text, texts_[id]) << id;
    taken_.insert(id);
    ::unlink((root_ / "spool" / (id + ".json")).c_str());
  }
  void check_whole() {
    for (const auto& [id, text] : files()) torn_ += text == texts_[id] ? 0 : 1;
  }
  int lost() {
    const auto found = files();
    int count = 0;
    for (const std::string& id : durable_)
      if (!found.contains(id) && !taken_.contains(id)) ++count;
    return count;
  }

  fs::path root_;
  int graveyard_ = -1;
  std::unique_ptr<journal::testing::CutFiles> disk_;
  lsmtpd_host host_{};
  std::unique_ptr<Spool> spool_;
  int number_ = 0;
  std::map<std::string, std::string> texts_;
  std::set<std::string> durable_, taken_;
  int torn_ = 0;
};

TEST_F(FilerPowerTest, EachAcknowledgedMessageHasItsFileAndNoneIsTorn) {
  std::mt19937 chance(23);
  open();
  for (int round = 0; round < 40; ++round) {
    cut(chance);
    ASSERT_EQ(lost(), 0) << "round " << round;
    ASSERT_EQ(torn_, 0) << "round " << round;
  }
  EXPECT_GT(durable_.size(), 100u);
}

TEST_F(FilerPowerTest, ControlWithoutFlushesFilesAreTorn) {
  std::mt19937 chance(24);
  disk_->never_flush();
  open();
  for (int round = 0; round < 20 && torn_ == 0 && lost() == 0; ++round) cut(chance);
  EXPECT_GT(torn_ + lost(), 0) << "the power cut test cannot fail";
}

TEST_F(FilerPowerTest, ControlWithoutSyncsOfTheDirectoryMessagesAreLost) {
  std::mt19937 chance(25);
  open();
  disk_->never_sync();
  for (int round = 0; round < 20 && lost() == 0; ++round) cut(chance);
  EXPECT_GT(lost(), 0) << "the power cut test cannot fail";
}

}  // namespace
}  // namespace lsmtpd::json_spool::testing
