// SPDX-License-Identifier: Apache-2.0
// Plugins, fallbacks and chains that do not fit together.

#include "mistakes.hpp"

namespace lsmtpd::config {
namespace {

const Case plugins[] = {
    {"WithoutUse",
     "[plugin.x]\n[chain.c]\nsteps = [\"x\"]\n[[listener]]\naddress = \"*:0\"\nchain = \"c\"",
     {"f:1:9: error: [plugin.x] needs \"use\" (such as use = \"filter_size\")"}},
    {"NotUsed",
     "[plugin.x]\nuse = \"y\"",
     {"f:1:9: warning: plugin.x is not used: no chain has it as a step"}},
    {"DeadlinePastTheChains",
     "[timeouts]\nchain = \"5s\"\n[plugin.x]\nuse = \"y\"\ndeadline = \"6s\"\n[chain.c]\nsteps = "
     "[\"x\"]\n[[listener]]\naddress = \"*:0\"\nchain = \"c\"",
     {"f:5:12: warning: plugin.x.deadline is 6s, but timeouts.chain ends first, after 5s"}},
    {"WordThatIsNotAllowed",
     "[plugin.x]\nuse = \"y\"\non_error = \"tempfial\"\n[chain.c]\nsteps = [\"x\"]\n[[listener]]\n"
     "address = \"*:0\"\nchain = \"c\"",
     {"f:3:12: error: plugin.x.on_error is \"tempfial\"; allowed: \"tempfail\", \"reject\", "
      "\"continue\" (did you mean \"tempfail\"?)"}},
    {"OptionsThatAreNoTable",
     "[plugin.x]\nuse = \"y\"\noptions = \"max=5\"\n[chain.c]\nsteps = [\"x\"]\n[[listener]]\n"
     "address = \"*:0\"\nchain = \"c\"",
     {"f:3:11: error: plugin.x.options must be a table, not a string (write [plugin.x.options])"}},
    {"OptionThatIsADate",
     "[plugin.x]\nuse = \"y\"\noptions = { since = 2026-01-01, l = [ { d = 12:00:00 } ] }\n"
     "[chain.c]\nsteps = [\"x\"]\n[[listener]]\naddress = \"*:0\"\nchain = \"c\"",
     {"f:3:21: error: plugin.x.options.since cannot be a date (put it in quotes)",
      "f:3:45: error: plugin.x.options.l.d cannot be a date (put it in quotes)"}},
};

const Case fallbacks[] = {
    {"ThatDoesNotExist",
     "[plugin.x]\nuse = \"y\"\nfallback = \"stroe\"\n[chain.c]\nsteps = [\"x\"]\n[[listener]]\n"
     "address = \"*:0\"\nchain = \"c\"",
     {"f:3:12: error: the fallback \"stroe\" of plugin.x does not exist (did you mean "
      "\"store\"?)"}},
    {"OfItself",
     "[plugin.x]\nuse = \"y\"\nfallback = \"x\"\n[chain.c]\nsteps = [\"x\"]\n[[listener]]\n"
     "address = \"*:0\"\nchain = \"c\"",
     {"f:3:12: error: plugin.x is its own fallback"}},
    {"ThatIsAlsoAStep",
     "[plugin.x]\nuse = \"y\"\nfallback = \"store\"\n[chain.c]\nsteps = [\"x\"]\n[[listener]]\n"
     "address = \"*:0\"\nchain = \"c\"",
     {"f:3:12: error: plugin.store is the fallback of plugin.x and a step of chain.default (add a "
      "second entry, such as [plugin.store-fallback], with a directory of its own)"}},
    {"ThatHasAFallback",
     "[plugin.x]\nuse = \"y\"\nfallback = \"z\"\n[plugin.z]\nuse = \"y\"\nfallback = \"w\"\n"
     "[plugin.w]\nuse = \"y\"\n[chain.c]\nsteps = [\"x\"]\n[[listener]]\naddress = \"*:0\"\n"
     "chain = \"c\"",
     {"f:3:12: error: plugin.z is the fallback of plugin.x and has a fallback itself (remove the "
      "fallback of plugin.z)"}},
    {"ThatServesTwoIsFine",
     "[plugin.x]\nuse = \"y\"\nfallback = \"z\"\n[plugin.w]\nuse = \"y\"\nfallback = \"z\"\n"
     "[plugin.z]\nuse = \"y\"\n[chain.c]\nsteps = [\"x\", \"w\"]\n[[listener]]\naddress = \"*:0\"\n"
     "chain = \"c\"",
     {}},
};

const Case chains[] = {
    {"WithoutSteps",
     "[chain.c]\n[[listener]]\naddress = \"*:0\"\nchain = \"c\"",
     {"f:1:8: error: [chain.c] needs \"steps\" (such as steps = [\"size\", \"spool\"])"}},
    {"WithEmptySteps",
     "[chain.c]\nsteps = []\n[[listener]]\naddress = \"*:0\"\nchain = \"c\"",
     {"f:2:9: error: chain.c.steps is empty: nothing would store the mail (such as [\"size\", "
      "\"spool\"])"}},
    {"StepThatDoesNotExist",
     "[chain.c]\nsteps = [\"stor\", \"broker\"]\n[[listener]]\naddress = \"*:0\"\nchain = \"c\"",
     {"f:2:10: error: the step \"stor\" of chain.c does not exist (did you mean \"store\"?)",
      "f:2:18: error: the step \"broker\" of chain.c does not exist (add [plugin.broker])"}},
    {"StepThatComesTwice",
     "[chain.c]\nsteps = [\"store\", \"store\"]\n[[listener]]\naddress = \"*:0\"\nchain = \"c\"",
     {"f:2:19: error: \"store\" is a step of chain.c twice"}},
    {"RouteWithoutPatterns",
     "[chain.c]\nsteps = [\"store\"]\n[[chain.c.route]]\nsteps = [\"store\"]\n[[listener]]\n"
     "address = \"*:0\"\nchain = \"c\"",
     {"f:3:1: error: route route-1 of chain.c has no patterns (such as recipients = "
      "[\"*@example.org\"])"}},
    {"RouteWithAStepThatDoesNotExist",
     "[chain.c]\nsteps = [\"store\"]\n[[chain.c.route]]\nrecipients = [\"a@b\"]\nsteps = "
     "[\"stor\", \"store\", \"store\"]\n[[listener]]\naddress = \"*:0\"\nchain = \"c\"",
     {"f:5:10: error: the step \"stor\" of route route-1 of chain.c does not exist (did you mean "
      "\"store\"?)",
      "f:5:27: error: \"store\" is a step of route route-1 of chain.c twice"}},
    {"TwoRoutesOfOneName",
     "[chain.c]\nsteps = [\"store\"]\n[[chain.c.route]]\nname = \"x\"\nrecipients = "
     "[\"a@b\"]\nsteps = [\"store\"]\n[[chain.c.route]]\nname = \"x\"\nfiles = [\"f\"]\n"
     "steps = [\"store\"]\n[[listener]]\naddress = \"*:0\"\nchain = \"c\"",
     {"f:8:8: error: chain.c has two routes that are called x"}},
    {"RouteThatIsATable",
     "[chain.c]\nsteps = [\"store\"]\n[chain.c.route]\nrecipients = [\"a@b\"]\nsteps = "
     "[\"store\"]\n[[listener]]\naddress = \"*:0\"\nchain = \"c\"",
     {"f:3:1: error: chain.c.route must be a list of tables, not a table (write "
      "[[chain.c.route]])"}},
    {"KeysOfRoutesWithoutARoute",
     "[chain.c]\nsteps = [\"store\"]\nunmatched = \"reject\"\n[[listener]]\naddress = "
     "\"*:0\"\nchain = \"c\"",
     {"f:3:13: warning: chain.c.unmatched has no effect: the chain has no routes (add "
      "[[chain.c.route]])"}},
    {"NotUsed",
     "[chain.c]\nsteps = [\"store\"]",
     {"f:1:8: warning: chain.c is not used: no listener has it"}},
};

INSTANTIATE_TEST_SUITE_P(Plugins, Mistakes, testing::ValuesIn(plugins), name_of_case);
INSTANTIATE_TEST_SUITE_P(Fallbacks, Mistakes, testing::ValuesIn(fallbacks), name_of_case);
INSTANTIATE_TEST_SUITE_P(Chains, Mistakes, testing::ValuesIn(chains), name_of_case);

}  // namespace
}  // namespace lsmtpd::config
