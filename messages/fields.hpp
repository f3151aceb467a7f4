// A field list per struct, from which every serializer derives.
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

  /// The same text, not copied; `held` (its place in a byte_budget) is let go when the last copy of
  /// what is returned is gone.
  shared_text holding(std::shared_ptr<const void> held) const {
    shared_text out;
    const std::string* const same = text_.get();
    out.text_ = std::shared_ptr<const std::string>(same, keeper{text_, std::move(held)});
    return out;
  }
  /// True for a text made by holding(): its bytes are counted for as long as it lives.
  bool counted() const { return std::get_deleter<keeper>(text_) != nullptr; }
  /// Equal for copies of one text, and for no other text that lives.
  const void* identity() const { return text_.get(); }

 private:
  friend class weak_text;
  struct keeper {
    std::shared_ptr<const std::string> text;
    std::shared_ptr<const void> held;
    // A weak_text keeps the deleter: what it holds has to be let go here.
    void operator()(const std::string*) {
      text.reset();
      held.reset();
    }
  };

  std::shared_ptr<const std::string> text_;
};

/// Finds a text again for as long as an owner holds it.
class weak_text {
 public:
  weak_text() = default;
  explicit weak_text(const shared_text& text) : text_(text.text_) {}
  bool expired() const { return text_.expired(); }
  /// Empty when it is gone.
  shared_text lock() const {
    shared_text out;
    out.text_ = text_.lock();
    return out;
  }

 private:
  std::weak_ptr<const std::string> text_;
};

} // namespace tayfa
