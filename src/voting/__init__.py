"""The running service: HTTP, pages, accounts, jobs, the command line. The only package that imports Litestar."""
