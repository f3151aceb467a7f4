#include "runtime/engine/torch/size_expression.hpp"

#include <algorithm>
#include <charconv>

namespace tayfa::engine {

namespace {

constexpr std::size_t terms_max = 64;
constexpr int depth_max = 16;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

} // namespace

/// sum := product (('+' | '-') product)*; product := factor ('*' factor)*; factor := number |
/// symbol | '(' sum ')' | '-' factor.
class size_expression::reader {
 public:
  explicit reader(std::string_view text) : text_(text) {}

  std::optional<std::vector<term>> whole() {
    auto all = sum(0);
    skip();
    return all && text_.empty() ? all : std::nullopt;
  }

 private:
  using found = std::optional<std::vector<term>>;

  void skip() {
    while (!text_.empty() && (text_.front() == ' ' || text_.front() == '\n')) {
      text_.remove_prefix(1);
    }
  }
  bool take(char c) {
    skip();
    if (text_.empty() || text_.front() != c) {
      return false;
    }
    text_.remove_prefix(1);
    return true;
  }

  found sum(int depth) {
    auto left = product(depth);
    while (left) {
      const bool plus = take('+');
      if (!plus && !take('-')) {
        return left;
      }
      auto right = product(depth);
      if (!right || left->size() + right->size() > terms_max) {
        return std::nullopt;
      }
      for (auto& t : *right) {
        t.factor = plus ? t.factor : -t.factor;
        left->push_back(std::move(t));
      }
    }
    return left;
  }

  found product(int depth) {
    auto left = factor(depth);
    while (left && take('*')) {
      const auto right = factor(depth);
      if (!right || left->size() * right->size() > terms_max) {
        return std::nullopt;
      }
      std::vector<term> all;
      for (const auto& a : *left) {
        for (const auto& b : *right) {
          term t{0, a.symbols};
          if (__builtin_mul_overflow(a.factor, b.factor, &t.factor)) {
            return std::nullopt;
          }
          t.symbols.insert(t.symbols.end(), b.symbols.begin(), b.symbols.end());
          all.push_back(std::move(t));
        }
      }
      left = std::move(all);
    }
    return left;
  }

  found factor(int depth) {
    if (depth > depth_max) {
      return std::nullopt;
    }
    if (take('(')) {
      auto inner = sum(depth + 1);
      return inner && take(')') ? inner : std::nullopt;
    }
    if (take('-')) {
      auto inner = factor(depth + 1);
      if (inner) {
        for (auto& t : *inner) {
          t.factor = -t.factor;
        }
      }
      return inner;
    }
    skip();
    if (!text_.empty() && is_digit(text_.front())) {
      return number();
    }
    std::size_t end = 0;
    while (end < text_.size() && (is_letter(text_[end]) || (end > 0 && is_digit(text_[end])))) {
      ++end;
    }
    if (end == 0) {
      return std::nullopt;
    }
    term t{1, {std::string{text_.substr(0, end)}}};
    text_.remove_prefix(end);
    return std::vector<term>{std::move(t)};
  }

  found number() {
    term t;
    const auto read = std::from_chars(text_.data(), text_.data() + text_.size(), t.factor);
    if (read.ec != std::errc{}) {
      return std::nullopt;
    }
    text_.remove_prefix(static_cast<std::size_t>(read.ptr - text_.data()));
    while (!text_.empty() && (text_.front() == 'L' || text_.front() == 'U')) {
      text_.remove_prefix(1);
    }
    return std::vector<term>{std::move(t)};
  }

  std::string_view text_;
};

std::optional<size_expression> size_expression::read(std::string_view text) {
  auto terms = reader{text}.whole();
  if (!terms) {
    return std::nullopt;
  }
  size_expression out;
  out.terms_ = std::move(*terms);
  return out;
}

std::optional<std::string> size_expression::symbol() const {
  if (terms_.size() != 1 || terms_[0].factor != 1 || terms_[0].symbols.size() != 1) {
    return std::nullopt;
  }
  return terms_[0].symbols[0];
}

std::optional<std::int64_t> size_expression::value_of(const term& t, const values& known,
                                                      std::string_view except) {
  std::int64_t product = t.factor;
  for (const auto& name : t.symbols) {
    if (name == except) {
      continue;
    }
    const auto found = known.find(name);
    if (found == known.end() || __builtin_mul_overflow(product, found->second, &product)) {
      return std::nullopt;
    }
  }
  return product;
}

std::optional<std::int64_t> size_expression::value(const values& known) const {
  std::int64_t sum = 0;
  for (const auto& t : terms_) {
    const auto product = value_of(t, known);
    if (!product || __builtin_add_overflow(sum, *product, &sum)) {
      return std::nullopt;
    }
  }
  return sum;
}

std::vector<std::string> size_expression::unknown(const values& known) const {
  std::vector<std::string> out;
  for (const auto& t : terms_) {
    for (const auto& name : t.symbols) {
      if (!known.contains(name) && std::find(out.begin(), out.end(), name) == out.end()) {
        out.push_back(name);
      }
    }
  }
  return out;
}

std::optional<std::int64_t> size_expression::solve(const values& known, std::int64_t wanted) const {
  const auto open = unknown(known);
  if (open.size() != 1) {
    return std::nullopt;
  }
  std::int64_t slope = 0;
  std::int64_t rest = wanted;
  for (const auto& t : terms_) {
    const auto times = std::count(t.symbols.begin(), t.symbols.end(), open.front());
    const auto product = value_of(t, known, open.front());
    if (!product || times > 1) {
      return std::nullopt;
    }
    const bool fits = times == 1 ? !__builtin_add_overflow(slope, *product, &slope)
                                 : !__builtin_sub_overflow(rest, *product, &rest);
    if (!fits) {
      return std::nullopt;
    }
  }
  if (slope <= 0 || rest < 0 || rest % slope != 0) {
    return std::nullopt;
  }
  return rest / slope;
}

} // namespace tayfa::engine
