// The contract of every store (contract.hpp).
#include "tests/unit/store/contract.hpp"

#include <algorithm>

namespace tayfa::store::testing {
namespace {

TEST_P(contract, a_new_store_is_empty) {
  const auto found = open();
  ASSERT_TRUE(found) << found.error().str();
  EXPECT_TRUE(found->rows.empty());
  EXPECT_EQ(found->last_order, 0U);
}

TEST_P(contract, answers_come_once_and_in_the_order_of_the_calls) {
  ASSERT_TRUE(open());
  std::vector<int> order;
  std::promise<void> last;
  for (int i = 0; i < 300; ++i) {
    store->commit({accept(new_row(static_cast<std::uint64_t>(i) + 1))}, [&, i](auto done) {
      EXPECT_TRUE(done);
      order.push_back(i);
      if (i == 299) {
        last.set_value();
      }
    });
  }
  run();
  last.get_future().wait();
  ASSERT_EQ(order.size(), 300U);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST_P(contract, a_callback_may_ask_for_more) {
  ASSERT_TRUE(open());
  std::promise<void> last;
  store->commit({accept(new_row(1))}, [&](auto) {
    store->commit({erase{1}}, [&](auto done) {
      EXPECT_TRUE(done);
      last.set_value();
    });
  });
  run();
  last.get_future().wait();
}

TEST_P(contract, an_empty_batch_is_durable) {
  ASSERT_TRUE(open());
  EXPECT_TRUE(commit({}));
}

TEST_P(contract, a_text_of_no_row_is_not_found) {
  ASSERT_TRUE(open());
  EXPECT_EQ(fetch(5, job_store::column::output).error().code, errc::job_not_found);
}

TEST_P(contract, nothing_is_accepted_before_open_and_after_close) {
  EXPECT_EQ(commit({accept(new_row(1))}).error().code, errc::store_failed);
  ASSERT_TRUE(open());
  close();
  EXPECT_EQ(commit({accept(new_row(1))}).error().code, errc::store_failed);
}

TEST_P(durable, putting_the_same_row_twice_changes_nothing) {
  const auto row = completed(new_row(1), "[1]");
  ASSERT_TRUE(open());
  ASSERT_TRUE(commit({accept(row)}));
  const auto once = found_again();
  ASSERT_TRUE(commit({accept(row), accept(row), state_of(row, part_output | part_chunks)}));
  EXPECT_EQ(found_again(), once);
  EXPECT_NE(once, "");
}

TEST_P(durable, a_change_of_state_touches_nothing_else) {
  auto row = completed(new_row(1), "[1]");
  row.chunks = {chunk{"1"}, chunk{"22"}};
  ASSERT_TRUE(open());
  ASSERT_TRUE(commit({accept(row)}));
  auto other = row;
  other.request = {};
  other.output = {};
  other.output_bytes = 0;
  other.chunks.clear();
  other.hook_tries = 3;
  ASSERT_TRUE(commit({state_of(other)}));
  row.hook_tries = 3;
  EXPECT_EQ(found_again(), text_of(row) + "\n");
}

TEST_P(durable, a_retry_takes_output_and_chunks_away) {
  auto row = completed(new_row(1), "[1]");
  row.chunks = {chunk{"1"}};
  ASSERT_TRUE(open());
  ASSERT_TRUE(commit({accept(row)}));
  row.output = {};
  row.output_bytes = 0;
  row.chunks.clear();
  row.state = job_state::IN_QUEUE;
  row.lives = 2;
  ASSERT_TRUE(commit({state_of(row, part_output | part_chunks)}));
  EXPECT_EQ(found_again(), text_of(row) + "\n");
}

TEST_P(durable, a_put_for_a_row_that_is_gone_changes_nothing) {
  ASSERT_TRUE(open());
  ASSERT_TRUE(commit({accept(new_row(1)), erase{1}, erase{9}}));
  ASSERT_TRUE(commit({state_of(completed(new_row(1), "[1]"), part_output)}));
  EXPECT_EQ(found_again(), "");
}

TEST_P(durable, a_released_input_is_gone) {
  auto row = new_row(1);
  ASSERT_TRUE(open());
  ASSERT_TRUE(commit({accept(row)}));
  ASSERT_TRUE(commit({state_of(row, part_input_released)}));
  ASSERT_TRUE(commit({state_of(row)})); // it does not come back
  EXPECT_EQ(fetch(1, job_store::column::input).error().code, errc::job_not_found);
  row.request.input = {};
  row.input_bytes = 0;
  EXPECT_EQ(found_again(), text_of(row) + "\n");
}

TEST_P(durable, texts_are_fetched_at_every_size_around_the_border) {
  ASSERT_TRUE(open());
  const auto most = job_store::inline_max;
  std::uint64_t order = 0;
  for (const auto size : {std::size_t{0}, std::size_t{1}, most - 1, most, most + 1, 4 * most}) {
    auto row = completed(new_row(++order), std::string(size, 'o'));
    row.request.input = shared_text{std::string(size, 'i')};
    ASSERT_TRUE(commit({accept(row)}));
    EXPECT_EQ(fetch(order, job_store::column::input).value().view(), std::string(size, 'i'));
    EXPECT_EQ(fetch(order, job_store::column::output).value().view(), std::string(size, 'o'));
  }
  make();
  const auto found = open();
  ASSERT_TRUE(found);
  ASSERT_EQ(found->rows.size(), 6U);
  EXPECT_EQ(found->rows[3].output.size(), most) << "still in its row";
  EXPECT_EQ(found->rows[4].output.size(), 0U) << "only its size is read back";
  EXPECT_EQ(found->rows[4].output_bytes, most + 1);
  EXPECT_EQ(found->rows[4].input_bytes, most + 1);
  EXPECT_EQ(fetch(6, job_store::column::output).value().size(), 4 * most);
}

TEST_P(durable, an_output_that_is_only_in_the_store_is_not_emptied) {
  const std::string large(job_store::inline_max + 1, 'o');
  auto row = completed(new_row(1), large);
  ASSERT_TRUE(open());
  ASSERT_TRUE(commit({accept(row)}));
  row.output = {}; // dropped from memory; output_bytes says that there is one
  row.hook_tries = 1;
  ASSERT_TRUE(commit({state_of(row, part_output)}));
  EXPECT_EQ(fetch(1, job_store::column::output).value().view(), large);
}

} // namespace
} // namespace tayfa::store::testing
