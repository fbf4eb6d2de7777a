#!/usr/bin/env python3
"""Writes the starting corpus of fuzz_grade: `python3 tests/fuzz/corpus/make_grade.py`. Completion, NUL, reference."""
import os

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "grade")
CASES = {
    "boxed": (r"so \boxed{\frac{3}{4}}.", r"0.75"),
    "unclosed": (r"\boxed{\frac{3}{4", r"\frac34"),
    "minerva": (r"The final answer is $5\text{ cm}$. I hope it is correct.", r"\boxed{5 cm}"),
    "words": ("The answer is: twenty-one point five apples", "21.5"),
    "chinese": ("答案是 (1, 2)\n\n", "[1,2]"),
    "last-number": ("I count 4,200 and -3.50", "#### 42"),
    "interval": (r"\boxed{(-\infty, 0.5]}", r"$(-\infty,\frac12]$"),
    "matrix": (r"\boxed{\begin{bmatrix}1&2\\3&\sqrt2\end{bmatrix}}", "{1,2}"),
    "equation": (r"\boxed{y = x^2 - 2x + \sin^{-1}(x)}", r"y-x^{2}=\arcsin x-2x"),
    "sum": (r"\boxed{\sum_{n=0}^{\infty}\frac{(-1)^n}{n!}x^{n+1}}", r"\sum_{n=0}^{9}n \cdot \prod_{k=1}^{3}k"),
    "functions": (r"\boxed{f(x_1,y)+|{-3}|+\lfloor2.5\rfloor+\binom{5}{2}-\log_28}", r"\lim_{x\to0^+}x\int_0^1xdx"),
    "deep": (r"\boxed{" + "(" * 300 + r"\sqrt{" * 100 + "}", "((((1,2),3),4),5)"),
    "typed": ("\\boxed{2*x**3 + sqrt(2)/2}", "{1, 2, pi}"),
    "relations": (r"\boxed{x \leq 3 = y}", "3>=x"),
    "percent": (r"\boxed{12.5\%}", "1_0e-2"),
    "units": ("\\boxed{5 sq m per h ° f ∏ cm ³}", "5 m s"),
    "empty": ("", ""),
}

os.makedirs(HERE, exist_ok=True)
for name, (text, reference) in CASES.items():
    with open(os.path.join(HERE, name), "wb") as f:
        f.write(text.encode() + b"\0" + reference.encode())
