// SPDX-License-Identifier: Apache-2.0
#include "log/hidden_addresses.hpp"

#include <gtest/gtest.h>

#include <array>

namespace lsmtpd::log {
namespace {

std::string domain(std::string_view key, std::string_view value) {
  return hide_addresses(key, value, Addresses::domain);
}

TEST(HiddenAddresses, EnvelopeAddressesKeepTheirDomain) {
  EXPECT_EQ(domain("from", "ann@example.org"), "*@example.org");
  EXPECT_EQ(domain("to", "ann b\"@\"c@example.org"), "*@example.org") << "whatever is in them";
  EXPECT_EQ(domain("to", "postmaster"), "postmaster");
  EXPECT_EQ(domain("from", ""), "");
}

TEST(HiddenAddresses, AddressesInOtherTextAreFound) {
  EXPECT_EQ(domain("reply", "550 5.1.1 <ann.b+c@example.org>: no such user, ask x@y"),
            "550 5.1.1 <*@example.org>: no such user, ask *@y");
  EXPECT_EQ(domain("recipients", "<\"ann b\"@example.org> stored"), "<*@example.org> stored");
  EXPECT_EQ(domain("why", "j\xC3\xBCrgen@example.org"), "*@example.org");
  EXPECT_EQ(domain("why", "to:a@b,c@d"), "to:*@b,*@d");
  EXPECT_EQ(domain("why", "at @ alone, and @x"), "at @ alone, and @x");
  EXPECT_EQ(domain("why", "no address"), "no address");
}

TEST(HiddenAddresses, APathThatIsNotValidIsHiddenToo) {
  EXPECT_EQ(domain("argument", "FROM:<ann b@example.org> SIZE=5"), "FROM:<*@example.org> SIZE=5");
  EXPECT_EQ(domain("argument", "TO: ann (x)@example.org"), "TO:*@example.org");
}

TEST(HiddenAddresses, UserNamesAreHiddenWhole) {
  EXPECT_EQ(domain("user", "ann"), "*");
  EXPECT_EQ(domain("user", "ann b@example.org"), "*@example.org");
}

TEST(HiddenAddresses, TheHashIsTheSameForTheSameAddressOnly) {
  const auto hash = [](std::string_view value) {
    return hide_addresses("from", value, Addresses::hash);
  };
  const std::string one = hash("ann@example.org");
  EXPECT_EQ(one.size(), std::string("#0123456789abcdef@example.org").size());
  EXPECT_EQ(one.front(), '#');
  EXPECT_EQ(one.find("ann"), std::string::npos);
  EXPECT_EQ(one, hash("ann@example.org"));
  EXPECT_EQ(one.substr(0, 17), hash("ann@EXAMPLE.org").substr(0, 17));
  EXPECT_NE(one.substr(0, 17), hash("bob@example.org").substr(0, 17));
  EXPECT_NE(one.substr(0, 17), hash("ann@example.com").substr(0, 17));
  EXPECT_EQ(hide_addresses("reply", "<ann@example.org> x", Addresses::hash), "<" + one + "> x");
}

TEST(HiddenAddresses, AllFieldsOfALineAreLookedAtButTheMessageId) {
  const std::array<std::string_view, 2> to{"a@one", "b@two"};
  const std::array<Field, 4> fields{Field("to", List(to)), Field("message_id", "<m@x>"),
                                    Field("size", 7), Field("reason", "a@b")};
  const HiddenAddresses hidden(fields, Addresses::domain);
  const auto shown = hidden.fields();
  ASSERT_EQ(shown.size(), 4u);
  const List list = std::get<List>(shown[0].value);
  EXPECT_EQ(std::vector<std::string_view>(list.begin(), list.end()),
            (std::vector<std::string_view>{"*@one", "*@two"}));
  EXPECT_EQ(std::get<std::string_view>(shown[1].value), "<m@x>");
  EXPECT_EQ(std::get<std::string_view>(shown[3].value), "*@b");
}

}  // namespace
}  // namespace lsmtpd::log
