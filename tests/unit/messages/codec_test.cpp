#include "messages/codec.hpp"

#include "tests/unit/messages/messages_gen.hpp"

#include <set>

namespace tayfa::protocol {
namespace {

using testing::any_int;
using testing::any_message;
using testing::property;
using testing::same_message;

template <class Variant>
result<frame<Variant>> decode(std::span<const char> bytes) {
  if constexpr (std::is_same_v<Variant, upstream>) {
    return decode_upstream(bytes);
  } else {
    return decode_downstream(bytes);
  }
}

template <class Variant>
::testing::AssertionResult every_message_comes_back() {
  for (std::size_t index = 0; index < std::variant_size_v<Variant>; ++index) {
    const auto held = property(200, [index] {
      const worker_ref worker{slot_id{any_int<std::uint32_t>()}, any_int<std::uint64_t>()};
      const auto message = any_message<Variant>(index);
      RC_ASSERT(message.index() == index);
      const auto bytes = encode(worker, message);
      const auto back = decode<Variant>(bytes);
      // A text at the limit's far side is the one thing that is encoded and not decoded.
      RC_ASSERT((back || back.error().text == "a string is too long"));
      if (back) {
        RC_ASSERT(back->worker == worker);
        RC_ASSERT(same_message(back->body, message));
        RC_ASSERT(encode(back->worker, back->body) == bytes);
      }
    });
    if (!held) {
      return held;
    }
  }
  return ::testing::AssertionSuccess();
}

TEST(codec, every_upstream_message_comes_back) {
  EXPECT_TRUE(every_message_comes_back<upstream>());
}

TEST(codec, every_downstream_message_comes_back) {
  EXPECT_TRUE(every_message_comes_back<downstream>());
}

TEST(codec, texts_up_to_the_limit_come_back_whole) {
  log line;
  line.text = std::string(text_bytes_max, 'x');
  ASSERT_TRUE(decode_upstream(encode({}, upstream{line})));
  line.text += 'x';
  const auto refused = decode_upstream(encode({}, upstream{line}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), (error{errc::bad_frame, "a string is too long"}));
}

TEST(codec, a_payload_may_be_much_larger_than_a_text) {
  finished f;
  f.attempt = {job_id{"a"}, 1};
  f.output = shared_text{std::string(std::size_t{8} << 20, 'x')};
  const auto back = decode_upstream(encode({}, upstream{f}));
  ASSERT_TRUE(back);
  EXPECT_EQ(std::get<finished>(back->body).output, f.output);
}

TEST(codec, a_frame_is_the_array_that_the_protocol_describes) {
  // Written out by hand: other programs may speak this protocol, so its bytes are part of it.
  const auto bytes = encode({slot_id{2}, 300}, upstream{started{{job_id{"ab"}, 7}}});
  EXPECT_EQ(bytes, (std::string{"\x95\x02\x04\x02\xcd\x01\x2c\x92\xa2"
                                "ab\x07",
                                12}));
  EXPECT_EQ(encode({}, downstream{shutdown{}}), (std::string{"\x94\x02\x25\x00\x00", 5}));
}

TEST(codec, kinds_are_unique_named_and_split_by_direction) {
  std::set<std::uint8_t> numbers;
  std::set<std::string_view> names;
  const auto note = [&]<class Variant, std::size_t... I>(std::type_identity<Variant>,
                                                         std::index_sequence<I...>, bool up) {
    const auto one = [&](kind k) {
      EXPECT_TRUE(numbers.insert(static_cast<std::uint8_t>(k)).second);
      EXPECT_TRUE(names.insert(to_string(k)).second);
      EXPECT_EQ(static_cast<int>(k) < 32, up) << to_string(k);
    };
    (one(std::variant_alternative_t<I, Variant>::id), ...);
  };
  note(std::type_identity<upstream>{}, std::make_index_sequence<std::variant_size_v<upstream>>{},
       true);
  note(std::type_identity<downstream>{},
       std::make_index_sequence<std::variant_size_v<downstream>>{}, false);
  EXPECT_FALSE(names.contains("?"));
}

} // namespace
} // namespace tayfa::protocol
