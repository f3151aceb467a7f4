// One field list per struct: every serializer derives from it.
//
// A struct that crosses a process boundary declares
//     static constexpr auto fields() { return std::make_tuple(field{"job", &T::job}, …); }
// and the codec (messages/codec.cpp) packs the fields in that order, as a msgpack array. Fields are
// only ever appended; the protocol version (messages/protocol.hpp) changes when that is not enough.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

namespace tayfa {

template <class Struct, class T>
struct field {
  std::string_view name;
  T Struct::*member;
};
template <class Struct, class T>
field(const char*, T Struct::*) -> field<Struct, T>;

/// Text that many actors hold without copying it: a job's input or output (JSON), or log text.
/// Immutable once made; a default-constructed one is the empty text.
class shared_text {
 public:
  shared_text() = default;
  explicit shared_text(std::string text)
      : text_(std::make_shared<const std::string>(std::move(text))) {}

  std::string_view view() const { return text_ ? std::string_view{*text_} : std::string_view{}; }
  std::size_t size() const { return view().size(); }
  bool empty() const { return view().empty(); }
  bool operator==(const shared_text& o) const { return view() == o.view(); }

 private:
  std::shared_ptr<const std::string> text_;
};

} // namespace tayfa
