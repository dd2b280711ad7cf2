// Times EM fits of Armadillo's Gaussian mixtures from given parameters.
//
//   armadillo_gmm full|diag FILE n D K FIRST LAST
//
// FILE holds float64 numbers, row after row: the table (n, D), weights (K,), means (K, D),
// covariances (K, D, D) or (K, D). Two models start from them; one runs FIRST iterations of EM,
// the other LAST. Printed: seconds of the first, seconds of the second, mean log-likelihood of
// the second, Armadillo's version. Armadillo keeps one row of the table in one column.
#include <armadillo>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string>

template <typename Array>
static void read(std::ifstream &file, Array &array) {
    file.read(reinterpret_cast<char *>(array.memptr()), sizeof(double) * array.n_elem);
    if (!file) throw std::runtime_error("the file is too short");
}

static void set(arma::gmm_full &model, std::ifstream &file, const arma::mat &means,
                const arma::rowvec &weights) {
    arma::cube covariances(means.n_rows, means.n_rows, means.n_cols);
    read(file, covariances);
    model.set_params(means, covariances, weights);
}

static void set(arma::gmm_diag &model, std::ifstream &file, const arma::mat &means,
                const arma::rowvec &weights) {
    arma::mat covariances(means.n_rows, means.n_cols);
    read(file, covariances);
    model.set_params(means, covariances, weights);
}

template <typename Model>
static double seconds(Model &model, const arma::mat &X, unsigned iterations) {
    const auto begin = std::chrono::steady_clock::now();
    const bool done = model.learn(X, model.n_gaus(), arma::eucl_dist, arma::keep_existing, 0,
                                  iterations, 1e-10, false);
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
    if (!done) throw std::runtime_error("learn() failed");
    return elapsed.count();
}

template <typename Model>
static void run(char **argv) {
    const unsigned n = std::atoi(argv[3]), D = std::atoi(argv[4]), K = std::atoi(argv[5]);
    std::ifstream file(argv[2], std::ios::binary);
    arma::mat X(D, n), means(D, K);
    arma::rowvec weights(K);
    read(file, X);
    read(file, weights);
    read(file, means);
    Model shorter;
    set(shorter, file, means, weights);
    Model longer = shorter;
    const double first = seconds(shorter, X, std::atoi(argv[6]));
    const double last = seconds(longer, X, std::atoi(argv[7]));
    std::printf("%.9f %.9f %.17g %u.%u.%u\n", first, last, longer.avg_log_p(X),
                arma::arma_version::major, arma::arma_version::minor, arma::arma_version::patch);
}

int main(int argc, char **argv) {
    if (argc != 8) {
        std::fprintf(stderr, "usage: armadillo_gmm full|diag FILE n D K FIRST LAST\n");
        return 2;
    }
    try {
        if (std::string(argv[1]) == "full")
            run<arma::gmm_full>(argv);
        else
            run<arma::gmm_diag>(argv);
    } catch (const std::exception &error) {
        std::fprintf(stderr, "armadillo_gmm: %s\n", error.what());
        return 1;
    }
    return 0;
}
