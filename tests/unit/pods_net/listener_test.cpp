// The listener among honest pods: what arrives, in which order, and who is gone when.
#include "tests/unit/pods_net/fixture.hpp"

#include <thread>

namespace tayfa::pods::test {
namespace {

using listener_test = pods_net_test;

TEST_F(listener_test, a_trusted_pod_talks_to_the_head_and_hears_it) {
  start();
  pod one;
  admit({one.keys.public_key});
  ASSERT_TRUE(one.is_let_in(endpoint, head.public_key));
  EXPECT_EQ(one.say("hello"), sent::yes);
  const auto said = wait_for("hello");
  EXPECT_EQ(said.key, one.keys.public_key);
  EXPECT_NE(said.connection, 0U);
  EXPECT_EQ(listener->send(said.connection, message("welcome")), sent::yes);
  EXPECT_EQ(one.box.wait<message_in>().bytes, "welcome");
  EXPECT_EQ(listener->send(said.connection, message(std::string(500'000, 'x'))), sent::yes);
  EXPECT_EQ(one.box.wait<message_in>().bytes, std::string(500'000, 'x'));
  EXPECT_EQ(listener->counters().connections, 1U);
  EXPECT_EQ(listener->counters().unfinished, 0U);
}

TEST_F(listener_test, messages_of_one_connection_arrive_in_order_and_gone_is_the_last) {
  start();
  pod one;
  admit({one.keys.public_key});
  ASSERT_TRUE(one.is_let_in(endpoint, head.public_key));
  constexpr int count = 2'000;
  for (int i = 0; i < count;) {
    const auto how = one.say(std::to_string(i));
    ASSERT_NE(how, sent::gone);
    if (how == sent::yes) {
      ++i;
    } else {
      one.box.wait<connection_writable>();
    }
  }
  wait_for(std::to_string(count - 1));
  const auto id = box.wait<received>().connection;
  for (int i = 1; i < count - 1; ++i) {
    const auto next = box.wait<received>();
    ASSERT_EQ(next.bytes, std::to_string(i));
    ASSERT_EQ(next.connection, id);
  }
  one.connector->disconnect();
  EXPECT_EQ(box.wait<gone>().connection, id);
  EXPECT_EQ(listener->send(id, message("late")), sent::gone);
  EXPECT_EQ(box.count<received>(), 0U);
}

TEST_F(listener_test, a_head_that_deals_with_nothing_reads_no_more_and_then_all_of_it) {
  auto few = small_limits();
  few.delivered = {.messages = 8, .bytes = std::uint64_t{1} << 20};
  start(few);
  pod one;
  admit({one.keys.public_key});
  ASSERT_TRUE(one.is_let_in(endpoint, head.public_key));
  // Together larger than all buffers on the way.
  const std::string large(400'000, 'x');
  constexpr int count = 250;
  int said = 0;
  const auto say_all = [&] {
    while (said < count && one.say(large) == sent::yes) {
      ++said;
    }
  };
  do {
    say_all();
  } while (said < count && one.box.take<connection_writable>(500ms));
  ASSERT_LT(said, count) << "the pod is held back";
  // The box holds what was delivered, with its permits.
  EXPECT_EQ(box.count<received>(), 3U);
  for (int i = 0; i < count; ++i) {
    box.wait<received>();
    say_all();
  }
  EXPECT_EQ(said, count);
  EXPECT_EQ(listener->counters().connections, 1U) << "no connection was cut for it";
}

TEST_F(listener_test, a_pod_that_comes_back_is_another_connection_with_the_same_key) {
  start();
  pod one;
  admit({one.keys.public_key});
  ASSERT_TRUE(one.is_let_in(endpoint, head.public_key));
  one.say("first");
  const auto first = wait_for("first");
  one.connector->disconnect();
  EXPECT_EQ(box.wait<gone>().connection, first.connection);
  ASSERT_TRUE(one.is_let_in(endpoint, head.public_key));
  one.say("second");
  const auto second = wait_for("second");
  EXPECT_EQ(second.key, first.key);
  EXPECT_GT(second.connection, first.connection);
}

TEST_F(listener_test, the_newer_connection_of_a_pod_is_served_while_the_older_one_lives) {
  start();
  const auto keys = new_keys();
  pod older{keys};
  pod newer{keys};
  admit({keys.public_key});
  ASSERT_TRUE(older.is_let_in(endpoint, head.public_key));
  older.say("older");
  const auto first = wait_for("older").connection;
  ASSERT_TRUE(newer.is_let_in(endpoint, head.public_key));
  newer.say("newer");
  const auto second = wait_for("newer").connection;
  EXPECT_NE(first, second);
  listener->drop(first);
  EXPECT_EQ(older.wait_for_end().why, cut::ended);
  listener->send(second, message("goes on"));
  EXPECT_EQ(newer.box.wait<message_in>().bytes, "goes on");
}

TEST_F(listener_test, a_pod_that_does_not_read_fills_its_own_queue_and_is_writable_again) {
  start();
  zmq::context_t context;
  const auto keys = new_keys();
  pod other;
  admit({keys.public_key, other.keys.public_key});
  auto slow = bare_dealer(context, endpoint, head.public_key, keys);
  slow.send(zmq::str_buffer("slow"));
  const auto id = wait_for("slow").connection;
  const auto large = message(std::string(400'000, 'x'));
  // The queue is full again and again until the sockets take no more either.
  std::size_t taken = 0;
  for (bool full = false; !full;) {
    const auto how = listener->send(id, large);
    ASSERT_NE(how, sent::gone);
    ASSERT_LT(taken += how == sent::yes ? 1 : 0, 5'000U) << "nothing bounds it";
    full = how == sent::full && !box.take<writable>(1s).has_value();
  }
  ASSERT_TRUE(other.is_let_in(endpoint, head.public_key));
  other.say("quick");
  listener->send(wait_for("quick").connection, message("not held up"));
  EXPECT_EQ(other.box.wait<message_in>().bytes, "not held up");
  EXPECT_EQ(box.count<writable>(), 0U);
  zmq::message_t part;
  for (std::size_t i = 0; i < taken; ++i) {
    ASSERT_TRUE(slow.recv(part)) << i;
  }
  EXPECT_EQ(box.wait<writable>().connection, id);
  EXPECT_EQ(listener->send(id, large), sent::yes);
}

TEST_F(listener_test, nothing_is_delivered_after_close_and_it_opens_again) {
  start();
  pod one;
  admit({one.keys.public_key});
  ASSERT_TRUE(one.is_let_in(endpoint, head.public_key));
  one.say("before");
  wait_for("before");
  listener->close();
  box.clear();
  EXPECT_EQ(one.wait_for_end().why, cut::ended);
  EXPECT_EQ(listener->send(1, message("x")), sent::gone);
  EXPECT_EQ(listener->add_endpoint({endpoint, head}).error().code, errc::wrong_state);
  const auto again = listener->open({endpoint, head}, box.sink());
  ASSERT_TRUE(again.has_value()) << again.error().str();
  EXPECT_EQ(*again, endpoint);
  EXPECT_EQ(listener->open({endpoint, head}, box.sink()).error().code, errc::wrong_state);
  ASSERT_TRUE(one.is_let_in(endpoint, head.public_key)) << "the list of pods outlives close()";
  one.say("after");
  wait_for("after");
}

TEST_F(listener_test, only_this_machine_is_served_without_keys) {
  zmq_listener open{time, log, small_limits()};
  for (const char* wide : {"tcp://0.0.0.0:0", "tcp://*:0", "tcp://[::]:0", "tcp://10.1.2.3:0"}) {
    const auto bound = open.open({wide, {}}, box.sink());
    ASSERT_FALSE(bound.has_value()) << wide;
    EXPECT_EQ(bound.error().code, errc::bad_config) << bound.error().str();
  }
  for (const char* none : {"tcp://", "udp://127.0.0.1:1", "tcp://localhost:0", "inproc://x", "",
                           "tcp://127.0.0.1:99999", "tcp://127.0.0.1", "ipc://"}) {
    EXPECT_EQ(open.open({none, head}, box.sink()).error().code, errc::bad_usage) << none;
  }
  key_pair mixed = head;
  mixed.public_key = new_keys().public_key;
  EXPECT_EQ(open.open({"tcp://127.0.0.1:0", mixed}, box.sink()).error().code, errc::bad_config);
  const auto local = open.open({"tcp://127.0.0.1:0", {}}, box.sink());
  ASSERT_TRUE(local.has_value()) << local.error().str();
  zmq::context_t context;
  auto plain = bare_dealer(context, *local, {}, {});
  plain.send(zmq::str_buffer("plain"));
  EXPECT_EQ(wait_for("plain").key, "");
  const auto taken = open.add_endpoint({*local, {}});
  EXPECT_EQ(taken.error().code, errc::port_in_use);
}

TEST_F(listener_test, too_few_descriptors_are_refused_before_a_pod_notices) {
  listener_limits limits;
  limits.accepted.connections = std::size_t{1} << 40;
  zmq_listener open{time, log, limits};
  const auto bound = open.open({"tcp://127.0.0.1:0", head}, box.sink());
  ASSERT_FALSE(bound.has_value());
  EXPECT_EQ(bound.error().code, errc::unfit);
  EXPECT_NE(bound.error().text.find("ulimit"), std::string::npos);
}

TEST_F(listener_test, the_heads_key_is_replaced_without_a_gap) {
  start();
  pod old_one;
  pod new_one;
  pod late;
  admit({old_one.keys.public_key, new_one.keys.public_key, late.keys.public_key});
  ASSERT_TRUE(old_one.is_let_in(endpoint, head.public_key));
  old_one.say("by the old key");
  const auto first = wait_for("by the old key").connection;
  const auto next = new_keys();
  const auto second_endpoint = listener->add_endpoint({"tcp://127.0.0.1:0", next});
  ASSERT_TRUE(second_endpoint.has_value());
  ASSERT_TRUE(new_one.is_let_in(*second_endpoint, next.public_key));
  new_one.say("by the new key");
  const auto second = wait_for("by the new key").connection;
  listener->send(first, message("still here"));
  EXPECT_EQ(old_one.box.wait<message_in>().bytes, "still here");
  ASSERT_TRUE(late.is_let_in(endpoint, head.public_key)) << "the old key holds at its endpoint";
  late.connector->disconnect();
  ASSERT_TRUE(listener->remove_endpoint(endpoint).has_value());
  EXPECT_EQ(old_one.wait_for_end().why, cut::ended);
  EXPECT_EQ(box.wait<gone>().connection, first);
  listener->send(second, message("goes on"));
  EXPECT_EQ(new_one.box.wait<message_in>().bytes, "goes on");
  old_one.connect(endpoint, head.public_key);
  EXPECT_EQ(old_one.wait_for_end().why, cut::unreachable);
  ASSERT_TRUE(old_one.is_let_in(*second_endpoint, next.public_key));
  EXPECT_EQ(listener->remove_endpoint(endpoint).error().code, errc::not_found);
}

TEST_F(listener_test, calls_from_many_threads_are_served) {
  start();
  std::vector<std::unique_ptr<pod>> all;
  std::vector<std::string> keys;
  for (int i = 0; i < 8; ++i) {
    all.push_back(std::make_unique<pod>());
    keys.push_back(all.back()->keys.public_key);
  }
  admit(keys);
  std::vector<connection_id> ids;
  for (std::size_t i = 0; i < all.size(); ++i) {
    ASSERT_TRUE(all[i]->is_let_in(endpoint, head.public_key));
    all[i]->say("pod " + std::to_string(i));
    ids.push_back(wait_for("pod " + std::to_string(i)).connection);
  }
  std::vector<std::thread> callers;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    callers.emplace_back([&, i] {
      for (int n = 0; n < 50; ++n) {
        listener->send(ids[i], message(std::to_string(n)));
      }
      if (i % 2 == 0) {
        listener->drop(ids[i]);
      }
    });
  }
  for (auto& one : callers) {
    one.join();
  }
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (i % 2 == 0) {
      EXPECT_EQ(all[i]->wait_for_end().why, cut::ended);
    } else {
      for (int n = 0; n < 50; ++n) {
        ASSERT_EQ(all[i]->box.wait<message_in>().bytes, std::to_string(n));
      }
    }
  }
}

} // namespace
} // namespace tayfa::pods::test
