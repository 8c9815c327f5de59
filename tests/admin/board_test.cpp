// SPDX-License-Identifier: Apache-2.0
#include "admin/board.hpp"

#include <gmock/gmock.h>

namespace lsmtpd::admin {
namespace {

using server::ReportBoard;
using server::WorkerReport;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class BoardTest : public testing::Test {
 protected:
  BoardTest() { board_.set_workers({first_, second_}); }
  static void tell(ReportBoard& board, bool ready, uint64_t age_ms = 0) {
    auto report = std::make_shared<WorkerReport>();
    report->at_ms = server::report_clock_ms() - age_ms;
    report->chains.push_back({"default", ready, ready ? "" : "broker: not reached"});
    report->outputs.push_back(
        {.plugin = "broker", .ready = ready, .reason = "", .fallback = "", .held = false});
    board.publish(std::move(report));
  }
  std::vector<std::string> unready(uint64_t after_ms = 0) {
    board_.look();
    return board_.unready(after_ms, {}, true);
  }

  std::shared_ptr<ReportBoard> first_ = std::make_shared<ReportBoard>();
  std::shared_ptr<ReportBoard> second_ = std::make_shared<ReportBoard>();
  Board board_;
};

TEST_F(BoardTest, IsReadyOnlyWhileItServes) {
  tell(*first_, true);
  tell(*second_, true);
  EXPECT_THAT(unready(), ElementsAre("the daemon is starting"));
  board_.set_phase(Phase::serving);
  EXPECT_THAT(unready(), IsEmpty());
  board_.set_phase(Phase::draining);
  EXPECT_THAT(unready(), ElementsAre("the daemon is draining"));
}

TEST_F(BoardTest, ChainMustBeReadyOnEachWorker) {
  board_.set_phase(Phase::serving);
  tell(*first_, true);
  tell(*second_, false);
  EXPECT_THAT(unready(), ElementsAre("chain default: broker: not reached"));
  EXPECT_THAT(board_.unready(0, "default", true).size(), 1u);
  EXPECT_THAT(board_.unready(0, "other", true), IsEmpty());
  EXPECT_THAT(board_.unready(0, {}, false), IsEmpty()) << "the process is well";
}

TEST_F(BoardTest, ChainThatWasReadyHasItsTimeBeforeItCounts) {
  board_.set_phase(Phase::serving);
  tell(*first_, true);
  EXPECT_THAT(unready(60'000), IsEmpty());
  tell(*first_, false);
  EXPECT_THAT(unready(60'000), IsEmpty());
  EXPECT_THAT(unready(0), ElementsAre(HasSubstr("not reached")));
}

TEST_F(BoardTest, ChainThatNeverWasReadyCountsAtOnce) {
  board_.set_phase(Phase::serving);
  tell(*first_, false);
  EXPECT_THAT(unready(60'000), ElementsAre(HasSubstr("not reached")));
}

TEST_F(BoardTest, LoopThatDoesNotTurnIsNamed) {
  board_.set_phase(Phase::serving);
  board_.main_turned();
  tell(*first_, true);
  tell(*second_, true, Board::kStuckMs + 2000);
  EXPECT_THAT(board_.stuck(), ElementsAre("worker 1 has not turned for 7 s"));
  EXPECT_THAT(board_.unready(0, {}, false), ElementsAre(HasSubstr("worker 1")));
  tell(*second_, true);
  EXPECT_THAT(board_.stuck(), IsEmpty());
}

TEST_F(BoardTest, TimeOfTheLastChangeStaysWhileNothingChanges) {
  board_.set_phase(Phase::serving);
  tell(*first_, true);
  board_.look();
  const uint64_t since = board_.outputs().at("broker").state.since_ms;
  tell(*first_, true);
  board_.look();
  EXPECT_EQ(board_.outputs().at("broker").state.since_ms, since);
}

}  // namespace
}  // namespace lsmtpd::admin
