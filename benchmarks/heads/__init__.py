"""What bench_heads.py is made of: arms, their training, what is measured, tables and figures."""
