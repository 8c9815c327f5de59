// SPDX-License-Identifier: Apache-2.0
#include "gate.hpp"

#include <gtest/gtest.h>

#include <string>

namespace auth_file {
namespace {

TEST(Gate, LetsSoManyInAndTheRestInOrder) {
  Gate gate(2);
  std::string order;
  for (char c = 'a'; c <= 'e'; ++c) EXPECT_TRUE(gate.enter(&gate, [&order, c] { order += c; }));
  EXPECT_EQ(order, "ab");
  gate.leave();
  gate.leave();
  EXPECT_EQ(order, "abcd");
  for (int i = 0; i < 3; ++i) gate.leave();
  EXPECT_EQ(order, "abcde");
  EXPECT_TRUE(gate.enter(&gate, [&order] { order += 'f'; }));
  EXPECT_EQ(order, "abcdef");
}

TEST(Gate, TheQueueIsBounded) {
  Gate gate(1);
  EXPECT_TRUE(gate.enter(&gate, [] {}));
  for (size_t i = 0; i < Gate::kQueue; ++i) EXPECT_TRUE(gate.enter(&gate, [] {}));
  EXPECT_FALSE(gate.enter(&gate, [] {}));
  gate.leave();
  EXPECT_TRUE(gate.enter(&gate, [] {}));
}

TEST(Gate, WhatWaitsForAnOwnerThatGoesIsDropped) {
  Gate gate(1);
  int here = 0, there = 0, ran = 0;
  EXPECT_TRUE(gate.enter(&here, [] {}));
  EXPECT_TRUE(gate.enter(&here, [&] { ADD_FAILURE(); }));
  EXPECT_TRUE(gate.enter(&there, [&] { ++ran; }));
  gate.forget(&here);
  gate.leave();
  EXPECT_EQ(ran, 1);
}

}  // namespace
}  // namespace auth_file
