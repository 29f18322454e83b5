// Runs a fuzz target without libFuzzer: seeds as they are, then seeds with random changes.
//
//     fuzz_matcher SECONDS SEED_FILE...
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

constexpr std::size_t kMaxSize = 1024;

void run(const std::string& input) {
    // What went wrong last lies here, for the same program to be started with.
    std::ofstream("last-input", std::ios::binary) << input;
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
}

std::string changed(std::string s, std::mt19937& random) {
    const auto below = [&random](std::size_t n) { return n == 0 ? 0 : random() % n; };
    if (s.size() > kMaxSize) s = s.substr(below(s.size() - kMaxSize), kMaxSize);
    for (std::size_t n = 1 + below(8); n > 0; n--) {
        const std::size_t at = below(s.size() + 1);
        switch (below(4)) {
            case 0: s.insert(at, 1, static_cast<char>(random())); break;
            case 1: s.erase(at, below(8)); break;
            case 2: s.insert(at, s.substr(below(s.size()), below(32))); break;
            case 3:
                if (at < s.size()) s[at] = static_cast<char>(random());
                break;
        }
    }
    return s;
}

}  // namespace

int main(int argc, char** argv) {
    const double seconds = argc > 1 ? std::atof(argv[1]) : 0;
    std::vector<std::string> seeds{""};
    for (int i = 2; i < argc; i++) {
        std::ifstream in(argv[i], std::ios::binary);
        seeds.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
    }
    std::mt19937 random(1);
    std::size_t num_inputs = 0;
    const auto begun = std::chrono::steady_clock::now();
    for (const std::string& seed : seeds) run(seed), num_inputs++;
    while (std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count() < seconds) {
        run(changed(seeds[random() % seeds.size()], random));
        num_inputs++;
    }
    std::printf("%zu inputs, every law kept\n", num_inputs);
    return 0;
}
