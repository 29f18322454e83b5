// Plain binary writing and reading of the arrays that an artefact holds. Bounds are checked; nothing is executed.
#pragma once
#include <cstring>
#include <type_traits>

#include "base.h"

namespace codefusion {

class Writer {
public:
    std::string bytes;
    template <class T>
    void value(const T& v) {
        static_assert(std::is_trivially_copyable_v<T>);
        bytes.append(reinterpret_cast<const char*>(&v), sizeof v);
    }
    template <class C>
    void array(const C& v) {
        using T = typename C::value_type;
        static_assert(std::is_trivially_copyable_v<T>);
        value<u64>(v.size());
        bytes.append(reinterpret_cast<const char*>(v.data()), v.size() * sizeof(T));
    }
};

class Reader {
public:
    Reader(const char* data, std::size_t size) : at_(data), end_(data + size) {}
    template <class T>
    T value() {
        need(sizeof(T));
        T v;
        std::memcpy(&v, at_, sizeof v);
        at_ += sizeof v;
        return v;
    }
    template <class C>
    void array(C& v) {
        using T = typename C::value_type;
        const u64 n = value<u64>();
        if (n > static_cast<u64>(end_ - at_) / (sizeof(T) == 0 ? 1 : sizeof(T))) throw GrammarError("the artefact is cut short");
        v.resize(n);
        if (n != 0) std::memcpy(v.data(), at_, n * sizeof(T));
        at_ += n * sizeof(T);
    }
    std::string text() {
        std::string s;
        array(s);
        return s;
    }
    bool done() const { return at_ == end_; }

private:
    void need(std::size_t n) {
        if (static_cast<std::size_t>(end_ - at_) < n) throw GrammarError("the artefact is cut short");
    }
    const char *at_, *end_;
};

}  // namespace codefusion
