"""What a latency is compared with: each module is one program that prints its ages, ms, as a JSON list."""
