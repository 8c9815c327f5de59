// SPDX-License-Identifier: Apache-2.0
// The power goes at any operation, and comes back: nothing that was acknowledged is lost, nothing
// that is torn is served. With flushes that do nothing the same test must lose something.
#include <map>
#include <random>
#include <set>

#include "cut_files.hpp"
#include "journal_fixture.hpp"

namespace lsmtpd::journal::testing {
namespace {

class PowerCutTest : public JournalTest {
 protected:
  struct Ledger {
    std::map<std::string, std::string> durable;            // acknowledged
    std::map<std::string, std::set<std::string>> written;  // ever begun
    std::set<std::string> removed;                         // perhaps: they may be there or not
  };

  void SetUp() override {
    JournalTest::SetUp();
    settings_.segment_size = kSegmentMin;
    settings_.body_threads = 2;
    graveyard_ = ::open((root_ / "graveyard").c_str(), O_RDONLY | O_DIRECTORY);
    auto cut = std::make_unique<CutFiles>(graveyard_);
    cut_ = cut.get();
    files_ = std::move(cut);
  }
  void TearDown() override {
    JournalTest::TearDown();
    ::close(graveyard_);
  }

  std::string text_of(std::mt19937& chance) {
    const std::size_t size = chance() % 50 == 0 ? kInlineMax + chance() % 5000 : chance() % 6000;
    return std::to_string(++version_) + ":" +
           std::string(size, static_cast<char>('a' + chance() % 26));
  }
  // Works until the power is gone.
  void work(std::mt19937& chance, Ledger& ledger) {
    while (!cut_->dead()) {
      std::vector<std::pair<std::pair<std::string, std::string>, std::future<std::int64_t>>> group;
      for (std::size_t i = chance() % 8 + 1; i > 0; --i) {
        const std::string id = "id-" + std::to_string(chance() % 40);
        const std::string text = text_of(chance);
        ledger.written[id].insert(text);
        group.emplace_back(std::pair(id, text), begin(id, text));
      }
      for (auto& [message, answer] : group) {
        if (answer.get() != 0) continue;
        ledger.durable[message.first] = message.second;
        ledger.removed.erase(message.first);
      }
      const std::string gone = "id-" + std::to_string(chance() % 40);
      ledger.removed.insert(gone);
      remove(gone);
      if (chance() % 4 == 0) make_dead(chance, ledger);
    }
  }
  void make_dead(std::mt19937& chance, Ledger&) {
    const auto copy = find("id-" + std::to_string(chance() % 40));
    StoredRecord record;
    std::int64_t error = 0;
    if (copy && journal_->copies().read(*copy, record, error) == RecordReader::Found::yes)
      journal_->change(*copy, record, true, record.meta);
  }
  // How many acknowledged messages are missing.
  int lost(const Ledger& ledger) {
    int count = 0;
    for (const auto& [id, text] : ledger.durable) {
      if (read(id) == "-" && !ledger.removed.contains(id)) ++count;
    }
    return count;
  }
  void check_whole(const Ledger& ledger) {
    for (const auto& [id, texts] : ledger.written) {
      const std::string text = read(id);
      EXPECT_TRUE(text == "-" || texts.contains(text)) << id << " " << text.substr(0, 40);
    }
  }
  void cut(std::mt19937& chance, Ledger& ledger) {
    cut_->cut_at(static_cast<int>(chance() % 400) + 1);
    work(chance, ledger);
    journal_.reset();
    cut_->restore(chance);
    open();
  }

  int graveyard_ = -1;
  CutFiles* cut_ = nullptr;
  int version_ = 0;
};

TEST_F(PowerCutTest, LosesNothingThatWasAcknowledgedAndServesNothingTorn) {
  std::mt19937 chance(20);
  Ledger ledger;
  open();
  for (int round = 0; round < 60; ++round) {
    cut(chance, ledger);
    ASSERT_EQ(lost(ledger), 0) << "round " << round;
    check_whole(ledger);
    ASSERT_TRUE(events_.damages().empty()) << "round " << round;
    ASSERT_TRUE(events_.segments().empty()) << "round " << round;
  }
}

// The last version that was acknowledged, or a later one: never an older.
TEST_F(PowerCutTest, NeverBringsAnOlderVersionBack) {
  std::mt19937 chance(21);
  open();
  std::map<std::string, std::int64_t> durable;
  for (int round = 0; round < 40; ++round) {
    cut_->cut_at(static_cast<int>(chance() % 300) + 1);
    while (!cut_->dead()) {
      std::vector<std::pair<std::pair<std::string, int>, std::future<std::int64_t>>> group;
      for (int i = 0; i < 6; ++i) {
        const std::string id = "id-" + std::to_string(chance() % 10);
        const int version = ++version_;
        group.emplace_back(
            std::pair(id, version),
            begin(id, std::to_string(version) + ":" + std::string(chance() % 4000, 'x')));
      }
      for (auto& [message, answer] : group)
        if (answer.get() == 0) durable[message.first] = message.second;
    }
    journal_.reset();
    cut_->restore(chance);
    open();
    for (const auto& [id, version] : durable) {
      const std::string text = read(id);
      ASSERT_NE(text, "-") << id;
      EXPECT_GE(std::stoll(text), version) << id << " round " << round;
    }
  }
}

TEST_F(PowerCutTest, ControlWithoutFlushesLosesMessages) {
  std::mt19937 chance(22);
  Ledger ledger;
  cut_->never_flush();
  open();
  int count = 0;
  for (int round = 0; round < 20 && count == 0; ++round) {
    cut(chance, ledger);
    count = lost(ledger);
  }
  EXPECT_GT(count, 0) << "the power cut test cannot fail";
}

}  // namespace
}  // namespace lsmtpd::journal::testing
